//! Names of things that stand elsewhere in the same file, as types, so that the reader can check them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of an upstream of the same file.
///
/// Its serde name is `$ref:upstream`. The config reader recognises a newtype by that name, in the settings of any
/// module, and refuses a file in which no upstream is called so, at the place where the name is written. With any
/// other deserializer it is a plain string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "$ref:upstream")]
#[schemars(rename = "UpstreamRef", description = "The name of an upstream of this file.", extend("examples" = ["app"]))]
pub struct UpstreamRef(String);

impl UpstreamRef {
    /// The upstream called `name`. Whether it exists is for the reader of the file to say.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, StrDeserializer};
    use serde::de::{Deserializer, Visitor};
    use serde::forward_to_deserialize_any;

    use super::*;

    /// Records the newtype name that a type announces.
    struct Announced<'a>(&'a mut Option<&'static str>);

    impl<'de> Deserializer<'de> for Announced<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_str("app")
        }

        fn deserialize_newtype_struct<V: Visitor<'de>>(
            self,
            name: &'static str,
            visitor: V,
        ) -> Result<V::Value, Error> {
            *self.0 = Some(name);
            visitor.visit_newtype_struct(StrDeserializer::new("app"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    #[test]
    fn announces_itself_to_the_reader() {
        let mut name = None;
        let reference = UpstreamRef::deserialize(Announced(&mut name)).unwrap();
        assert_eq!(name, Some("$ref:upstream"));
        assert_eq!(reference, UpstreamRef::new("app"));
    }

    #[test]
    fn is_plain_text_elsewhere() {
        let reference: UpstreamRef = serde_json::from_str("\"app\"").unwrap();
        assert_eq!(reference.as_str(), "app");
        assert_eq!(reference.to_string(), "app");
        assert_eq!(serde_json::to_string(&reference).unwrap(), "\"app\"");
        let schema = schemars::schema_for!(UpstreamRef);
        assert_eq!(schema.get("type"), Some(&"string".into()));
        assert_eq!(schema.get("title"), Some(&"UpstreamRef".into()));
    }
}
