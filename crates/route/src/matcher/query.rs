//! Conditions on query parameters.

use super::ValueMatch;
use crate::percent;
use std::borrow::Cow;
use std::iter;

/// A query parameter that a request must carry.
///
/// The query is read as a form (`a=1&b=2`): names and values are percent-decoded and `+` is a space; a broken
/// escape stands for itself. When a name comes more than once the first value counts, as in the Kubernetes
/// Gateway API. A name without `=` has the empty value.
#[derive(Debug, Clone)]
pub struct QueryMatch {
    name: String,
    value: ValueMatch,
}

// === impl QueryMatch ===

impl QueryMatch {
    /// Asks for a parameter by its (decoded) name, with a value that is accepted.
    pub fn new(name: impl Into<String>, value: ValueMatch) -> Self {
        Self { name: name.into(), value }
    }

    /// The name of the parameter.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The values that it may have.
    #[must_use]
    pub fn value(&self) -> &ValueMatch {
        &self.value
    }

    /// Whether this query holds it. Allocates only to decode a value that holds escapes.
    #[must_use]
    pub fn accepts(&self, query: Option<&str>) -> bool {
        self.value_in(query).is_some_and(|value| self.value.accepts(&value))
    }

    /// The parameter's value in this query, decoded.
    pub fn value_in<'q>(&self, query: Option<&'q str>) -> Option<Cow<'q, [u8]>> {
        let pair = |text: &'q str| text.split_once('=').unwrap_or((text, ""));
        let mut parameters = query?.split('&').map(pair);
        let (_, value) = parameters.find(|(name, _)| decoded(name).eq(self.name.bytes()))?;
        Some(if value.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
            Cow::Owned(decoded(value).collect())
        } else {
            Cow::Borrowed(value.as_bytes())
        })
    }

    /// Whether a request that satisfies `other` is certain to satisfy this.
    pub(super) fn follows_from(&self, other: &Self) -> bool {
        self.name == other.name && self.value.covers(&other.value)
    }
}

fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        let (byte, after) = match first {
            b'+' => (b' ', after),
            b'%' => percent::escape(rest).unwrap_or((first, after)),
            _ => (first, after),
        };
        rest = after;
        Some(byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts() {
        for (query, name, value, expected, why) in [
            ("x=1", "x", "1", true, "the only parameter"),
            ("a=0&x=1", "x", "1", true, "a later one"),
            ("x=1&x=2", "x", "2", false, "the first value counts"),
            ("x=1&x=2", "x", "1", true, "the first value counts"),
            ("%78=%31", "x", "1", true, "name and value are decoded"),
            ("x=a+b%20c", "x", "a b c", true, "plus is a space"),
            ("x=%2B", "x", "+", true, "an encoded plus is a plus"),
            ("x=%zz%", "x", "%zz%", true, "a broken escape stands for itself"),
            ("x", "x", "", true, "no equals sign, empty value"),
            ("&&x=1&", "x", "1", true, "empty pairs are nothing"),
            ("x=1=2", "x", "1=2", true, "the first equals sign divides"),
            ("xx=1", "x", "1", false, "the whole name"),
            ("X=1", "x", "1", false, "names have case"),
            ("x%26y=1", "x&y", "1", true, "divided before decoding"),
            ("", "x", "", false, "an empty query holds nothing"),
        ] {
            let parameter = QueryMatch::new(name, ValueMatch::exact(value));
            assert_eq!(parameter.accepts(Some(query)), expected, "{query}: {why}");
        }
    }

    #[test]
    fn present_and_regex() {
        let present = QueryMatch::new("x", ValueMatch::present());
        assert!(present.accepts(Some("x=")));
        assert!(!present.accepts(Some("y=x")));
        assert!(!present.accepts(None), "no query at all");
        let regex = QueryMatch::new("x", ValueMatch::regex("^a b$").unwrap());
        assert!(regex.accepts(Some("x=a+b")), "an expression sees the decoded value");
    }
}
