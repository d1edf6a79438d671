//! Statuses as people write them: `200`, `2xx`, `200-204`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// One status, a class of them or a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

/// A text that names no statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a status from 100 to 599, a class such as `2xx` or a range such as `200-204`, was `{0}`")]
pub struct InvalidStatusRange(String);

/// Every 2xx and 3xx.
pub(super) const FINE: StatusRange = StatusRange { first: 200, last: 399 };

impl StatusRange {
    /// Whether this status is one of them.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl FromStr for StatusRange {
    type Err = InvalidStatusRange;

    fn from_str(text: &str) -> Result<Self, InvalidStatusRange> {
        let invalid = || InvalidStatusRange(text.to_owned());
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().map_err(|_| invalid())?;
            let first = class.checked_mul(100).filter(|first| (100..600).contains(first));
            return first.map(|first| Self { first, last: first + 99 }).ok_or_else(invalid);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.parse().ok().filter(|status| (100..600).contains(status));
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        match (first % 100, last - first) {
            (_, 0) => write!(f, "{first}"),
            (0, 99) => write!(f, "{}xx", first / 100),
            _ => write!(f, "{first}-{last}"),
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            serializer.serialize_u16(self.first)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText)
    }
}

struct NumberOrText;

impl Visitor<'_> for NumberOrText {
    type Value = StatusRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as `200`, a class such as `2xx` or a range such as `200-204`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusRange, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<StatusRange, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<StatusRange, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for StatusRange {
    fn schema_name() -> Cow<'static, str> {
        "StatusRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A status, a class of them such as `2xx`, or a range such as `200-204`.",
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^([1-5]xx|[1-5][0-9]{2}(-[1-5][0-9]{2})?)$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_and_written_back() {
        let rows = [("200", 200, 200), ("2xx", 200, 299), ("200-204", 200, 204), ("5xx", 500, 599)];
        for (text, first, last) in rows {
            let range: StatusRange = text.parse().unwrap();
            assert_eq!(range, StatusRange { first, last }, "{text}");
            assert_eq!(range.to_string(), text);
            assert!(range.contains(first) && range.contains(last), "{text} has both ends");
            assert!(!range.contains(first - 1) && !range.contains(last + 1), "{text} has no more");
        }
    }

    #[test]
    fn what_names_no_statuses_is_refused() {
        for text in
            ["", "xx", "0xx", "6xx", "65xx", "99", "600", "204-200", "200-", "-200", "200-700", "ok", "2XX"]
        {
            let error = text.parse::<StatusRange>().unwrap_err();
            assert!(error.to_string().ends_with(&format!("was `{text}`")), "{error}");
        }
    }
}
