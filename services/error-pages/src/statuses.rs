//! Statuses of errors, as people write them: `404`, `5xx`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// One status of an error, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statuses {
    /// `404`.
    One(u16),
    /// `4xx` or `5xx`, by its first digit.
    Class(u16),
}

/// Why a text is no [`Statuses`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected a status from 400 to 599, 4xx or 5xx, was `{0}`")]
pub struct InvalidStatuses(String);

// === impl Statuses ===

impl Statuses {
    /// Whether the status is meant by its number.
    pub(crate) fn names(self, status: StatusCode) -> bool {
        self == Self::One(status.as_u16())
    }

    /// Whether the status is meant with all others of its class.
    pub(crate) fn covers(self, status: StatusCode) -> bool {
        self == Self::Class(status.as_u16() / 100)
    }
}

impl FromStr for Statuses {
    type Err = InvalidStatuses;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "4xx" => Ok(Self::Class(4)),
            "5xx" => Ok(Self::Class(5)),
            _ => match text.parse() {
                Ok(status @ 400..=599) => Ok(Self::One(status)),
                Ok(_) | Err(_) => Err(InvalidStatuses(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(status) => write!(f, "{status}"),
            Self::Class(digit) => write!(f, "{digit}xx"),
        }
    }
}

impl Serialize for Statuses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(status) => serializer.serialize_u16(*status),
            Self::Class(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = Statuses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 404, 4xx or 5xx")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Statuses, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Statuses, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Statuses, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "A status of an error, or a class of them.",
            "examples": [404, "4xx", "5xx"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_and_told_from_others() {
        let not_found = StatusCode::NOT_FOUND;
        assert!("404".parse::<Statuses>().unwrap().names(not_found));
        assert!("4xx".parse::<Statuses>().unwrap().covers(not_found));
        assert!(!"5xx".parse::<Statuses>().unwrap().covers(not_found));
        for text in ["200", "399", "600", "3xx", "40x", "4XX", "", "404 "] {
            let error = text.parse::<Statuses>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("was `{text}`")), "{error}");
        }
    }
}
