//! The methods that a 405 must name.

use http::Method;
use std::fmt;

/// The methods that a resource accepts, shown as the value of an `Allow` header (RFC 9110 section 10.2.1).
///
/// Each method stands once, HEAD directly after GET; the rest is in the rank of the rules that take them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow(Vec<Method>);

// === impl Allow ===

impl Allow {
    /// The methods.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, method: &Method) {
        if !self.0.contains(method) {
            self.0.push(method.clone());
        }
    }
}

impl<'m> FromIterator<&'m Method> for Allow {
    fn from_iter<I: IntoIterator<Item = &'m Method>>(methods: I) -> Self {
        let mut allow = Self(Vec::new());
        for method in methods {
            allow.add(method);
            if method == Method::GET {
                allow.add(&Method::HEAD);
            }
        }
        allow
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{method}")?;
        }
        Ok(())
    }
}
