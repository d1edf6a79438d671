//! Conditions on a value, shared by headers and query parameters.

use regex::bytes::Regex;
use std::fmt;

/// The values that a header or a query parameter may have.
///
/// Values are bytes: neither a header nor a decoded parameter need be UTF-8.
#[derive(Debug, Clone)]
pub struct ValueMatch(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Present,
    Exact(String),
    Regex(Regex),
}

/// A regular expression that does not compile, with the reason of the `regex` crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("expected a regular expression: {0}")]
pub struct InvalidRegex(pub(super) regex::Error);

// === impl ValueMatch ===

impl ValueMatch {
    /// Accepts every value, an empty one too.
    #[must_use]
    pub fn present() -> Self {
        Self(Kind::Present)
    }

    /// Accepts this value alone, byte for byte.
    pub fn exact(value: impl Into<String>) -> Self {
        Self(Kind::Exact(value.into()))
    }

    /// Accepts the values in which the expression is found, anywhere unless it holds `^` or `$`,
    /// case-sensitive.
    ///
    /// # Errors
    ///
    /// When the expression does not compile.
    pub fn regex(pattern: &str) -> Result<Self, InvalidRegex> {
        Ok(Self(Kind::Regex(Regex::new(pattern).map_err(InvalidRegex)?)))
    }

    /// Whether the value is accepted.
    #[must_use]
    pub fn accepts(&self, value: &[u8]) -> bool {
        match &self.0 {
            Kind::Present => true,
            Kind::Exact(exact) => exact.as_bytes() == value,
            Kind::Regex(regex) => regex.is_match(value),
        }
    }

    /// Whether every value that `other` accepts is certain to be accepted here.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Present, _) => true,
            (_, Kind::Exact(value)) => self.accepts(value.as_bytes()),
            (Kind::Regex(mine), Kind::Regex(theirs)) => mine.as_str() == theirs.as_str(),
            (Kind::Exact(_) | Kind::Regex(_), _) => false,
        }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Present => f.write_str("any value"),
            Kind::Exact(value) => write!(f, "{value:?}"),
            Kind::Regex(regex) => write!(f, "values that match `{regex}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> ValueMatch {
        ValueMatch::regex(pattern).unwrap()
    }

    #[test]
    fn accepts() {
        for (value_match, value, expected, why) in [
            (ValueMatch::present(), &b""[..], true, "an empty value is present"),
            (ValueMatch::exact("v"), b"v", true, "the same bytes"),
            (ValueMatch::exact("v"), b"V", false, "values have case"),
            (ValueMatch::exact("v"), b"vv", false, "the whole value"),
            (regex("b+"), b"abbc", true, "found anywhere"),
            (regex("^b+$"), b"abbc", false, "unless anchored"),
            (regex("^b"), b"b\xff", true, "values need not be UTF-8"),
        ] {
            assert_eq!(value_match.accepts(value), expected, "{value_match}, {value:?}: {why}");
        }
    }

    #[test]
    fn covers() {
        for (wide, narrow, expected) in [
            (ValueMatch::present(), regex("a"), true),
            (ValueMatch::exact("a"), ValueMatch::present(), false),
            (ValueMatch::exact("a"), ValueMatch::exact("a"), true),
            (ValueMatch::exact("a"), ValueMatch::exact("b"), false),
            (ValueMatch::exact("a"), regex("^a$"), false),
            (regex("a"), ValueMatch::exact("bab"), true),
            (regex("a"), regex("a"), true),
            (regex("a"), regex("aa"), false),
        ] {
            assert_eq!(wide.covers(&narrow), expected, "{wide} over {narrow}");
        }
    }
}
