//! Conditions on the method.

use http::Method;
use std::fmt;

/// The methods that a matcher accepts. The default accepts every method.
///
/// GET implies HEAD: RFC 9110 section 9.3.2 defines HEAD as GET without the content, and a rule that took one
/// and not the other would answer a probe differently from the request that it probes for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MethodMatch {
    /// Empty for every method.
    methods: Vec<Method>,
}

/// A method that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a method in upper case such as GET, was {0:?}")]
pub struct InvalidMethod(String);

// === impl MethodMatch ===

impl MethodMatch {
    /// Accepts every method.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Accepts the methods of a list; an empty list accepts every method.
    ///
    /// # Errors
    ///
    /// The first name that is not a method. Methods are case-sensitive, and `post` is no method that anyone
    /// sends.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidMethod> {
        names.into_iter().map(method_of).collect()
    }

    /// Whether the method is accepted.
    #[must_use]
    pub fn accepts(&self, method: &Method) -> bool {
        self.is_any()
            || self.methods.contains(method)
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }

    /// Whether every method is accepted.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.methods.is_empty()
    }

    /// The methods as they were written, without the implied HEAD; empty when every method is accepted.
    #[must_use]
    pub fn as_slice(&self) -> &[Method] {
        &self.methods
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        self.is_any() || (!other.is_any() && other.methods.iter().all(|method| self.accepts(method)))
    }
}

impl FromIterator<Method> for MethodMatch {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        Self { methods: methods.into_iter().collect() }
    }
}

impl fmt::Display for MethodMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.methods.split_first() else {
            return f.write_str("any method");
        };
        write!(f, "{first}")?;
        rest.iter().try_for_each(|method| write!(f, ", {method}"))
    }
}

fn method_of(name: &str) -> Result<Method, InvalidMethod> {
    match Method::from_bytes(name.as_bytes()) {
        Ok(method) if !name.bytes().any(|byte| byte.is_ascii_lowercase()) => Ok(method),
        Ok(_) | Err(_) => Err(InvalidMethod(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts() {
        for (names, method, expected, why) in [
            (&[][..], Method::DELETE, true, "no list is no condition"),
            (&["GET"], Method::GET, true, "listed"),
            (&["GET"], Method::HEAD, true, "GET implies HEAD"),
            (&["HEAD"], Method::GET, false, "HEAD does not imply GET"),
            (&["GET", "POST"], Method::POST, true, "one of a list"),
            (&["POST"], Method::HEAD, false, "only GET implies HEAD"),
            (&["PROPFIND"], Method::from_bytes(b"PROPFIND").unwrap(), true, "methods of other standards"),
        ] {
            let methods = MethodMatch::parse(names.iter().copied()).unwrap();
            assert_eq!(methods.accepts(&method), expected, "{methods}, {method}: {why}");
        }
    }

    #[test]
    fn covers() {
        for (wide, narrow, expected) in [
            (&[][..], &["GET"][..], true),
            (&[], &[], true),
            (&["GET"], &[], false),
            (&["GET"], &["HEAD"], true),
            (&["HEAD"], &["GET"], false),
            (&["GET", "POST"], &["POST"], true),
            (&["POST"], &["GET", "POST"], false),
        ] {
            let parse = |names: &[&'static str]| MethodMatch::parse(names.iter().copied()).unwrap();
            assert_eq!(parse(wide).covers(&parse(narrow)), expected, "{wide:?} over {narrow:?}");
        }
    }

    #[test]
    fn refused() {
        for name in ["", "get", "Post", "GE T", "GET,POST"] {
            assert_eq!(MethodMatch::parse([name]), Err(InvalidMethod(name.to_owned())));
        }
    }
}
