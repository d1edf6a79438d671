//! How a value that people write as text meets serde and schemars, said once for all of them.
//!
//! The types own their grammar (`FromStr`) and their spelling (`Display`); this module only carries them across.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Visitor};

/// Reads `T` from a string, or from an integer taken as the text of its digits: whether a bare number has a
/// meaning is for `T` to say.
pub(crate) fn deserialize<'de, T, D>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(TextVisitor { expected, value: PhantomData })
}

struct TextVisitor<T> {
    expected: &'static str,
    value: PhantomData<T>,
}

impl<T: FromStr<Err: Display>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, written: &str) -> Result<T, E> {
        written.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, written: u64) -> Result<T, E> {
        self.visit_str(&written.to_string())
    }

    fn visit_i64<E: Error>(self, written: i64) -> Result<T, E> {
        self.visit_str(&written.to_string())
    }
}

/// Gives a type with `FromStr` and `Display` its `Serialize`, `Deserialize` and `JsonSchema`.
macro_rules! as_text {
    ($type:ident, expected: $expected:literal, schema: $schema:tt) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::deserialize(deserializer, $expected)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            // Other crates have a `Duration` or a `Rate` too; the module's path keeps ours apart.
            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($type)).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

pub(crate) use as_text;
