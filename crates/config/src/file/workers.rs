//! The number of threads that serve requests.

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The most threads that can be asked for; more than any machine of today has CPUs.
const MOST: u16 = 4096;

/// How many threads serve requests; written `auto` or as a number from 1 to 4096.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workers {
    /// One for each CPU that the process may use.
    #[default]
    Auto,
    /// So many.
    Count(u16),
}

struct WorkersVisitor;

// === impl Workers ===

impl Workers {
    /// The number of threads on this machine; 1 if the machine does not say.
    pub fn count(self) -> usize {
        match self {
            Self::Auto => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            Self::Count(count) => usize::from(count),
        }
    }
}

impl Validate for Workers {
    type Context = ();

    fn validate_into(&self, _: &(), path: &mut dyn FnMut() -> garde::Path, report: &mut garde::Report) {
        if let Self::Count(count) = self
            && !(1..=MOST).contains(count)
        {
            report.append(
                path(),
                garde::Error::new(format!("expected `auto` or 1 to {MOST} threads, found {count}")),
            );
        }
    }
}

impl Serialize for Workers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_u16(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WorkersVisitor)
    }
}

impl JsonSchema for Workers {
    fn schema_name() -> Cow<'static, str> {
        "Workers".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": MOST }],
            "default": "auto",
        })
    }
}

// === impl WorkersVisitor ===

impl Visitor<'_> for WorkersVisitor {
    type Value = Workers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`auto` or 1 to {MOST} threads")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Workers, E> {
        let count = u16::try_from(count)
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(count), &self))?;
        Ok(Workers::Count(count))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Workers, E> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Workers::Auto),
            // A variable inside `{ }` has to stand in quotes, and then a number is a text.
            (_, Ok(count)) => self.visit_u64(count),
            (_, Err(_)) => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
        }
    }
}
