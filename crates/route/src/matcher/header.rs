//! Conditions on headers.

use super::ValueMatch;
use http::{HeaderMap, HeaderName};

/// A header that a request must carry.
///
/// A header that comes on several lines is accepted when one of the lines has an accepted value. Each line is
/// one value: lists within a line are not taken apart.
#[derive(Debug, Clone)]
pub struct HeaderMatch {
    name: HeaderName,
    value: ValueMatch,
}

/// A header name that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a header name such as x-api-version, was {0:?}")]
pub struct InvalidHeaderName(String);

// === impl HeaderMatch ===

impl HeaderMatch {
    /// Asks for a header by its name, in any case, with a value that is accepted.
    ///
    /// # Errors
    ///
    /// When the name is not a header name.
    pub fn new(name: &str, value: ValueMatch) -> Result<Self, InvalidHeaderName> {
        let name = name.parse().map_err(|_| InvalidHeaderName(name.to_owned()))?;
        Ok(Self { name, value })
    }

    /// The name of the header.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The values that it may have.
    #[must_use]
    pub fn value(&self) -> &ValueMatch {
        &self.value
    }

    /// Whether these headers hold it.
    #[must_use]
    pub fn accepts(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|line| self.value.accepts(line.as_bytes()))
    }

    /// Whether a request that satisfies `other` is certain to satisfy this.
    pub(super) fn follows_from(&self, other: &Self) -> bool {
        self.name == other.name && self.value.covers(&other.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn accepts() {
        let mut headers = HeaderMap::new();
        headers.append("x-tag", HeaderValue::from_static("a"));
        headers.append("x-tag", HeaderValue::from_static("b"));
        headers.append("x-raw", HeaderValue::from_bytes(b"\xff").unwrap());
        for (name, value, expected, why) in [
            ("X-Tag", ValueMatch::exact("a"), true, "names have no case"),
            ("x-tag", ValueMatch::exact("b"), true, "any line will do"),
            ("x-tag", ValueMatch::exact("a, b"), false, "lines are not joined"),
            ("x-tag", ValueMatch::regex("^[bc]$").unwrap(), true, "an expression over one line"),
            ("x-raw", ValueMatch::present(), true, "present, though not text"),
            ("x-none", ValueMatch::present(), false, "absent"),
        ] {
            let header = HeaderMatch::new(name, value).unwrap();
            assert_eq!(header.accepts(&headers), expected, "{header:?}: {why}");
        }
    }

    #[test]
    fn refused() {
        for name in ["", "a b", "a:b", "é"] {
            let refusal = HeaderMatch::new(name, ValueMatch::present()).unwrap_err();
            assert_eq!(refusal, InvalidHeaderName(name.to_owned()));
        }
    }
}
