//! The words for where counts are kept.

use std::borrow::Cow;
use std::fmt;

use garde::Validate;
use headwall_redis::RedisStore;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Where the counts of a limit are kept: `local`, `sketch`, or a Redis.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(untagged)]
pub enum StoreSettings {
    /// In a table of this process. Exact.
    #[default]
    #[serde(serialize_with = "local")]
    Local,
    /// In a sketch of constant size, for more keys than a table should hold. It may count some keys for others, and so
    /// refuse some that are innocent; it never forgets.
    #[serde(serialize_with = "sketch")]
    Sketch,
    /// In Redis, which several Headwalls share.
    Redis(Box<RedisStore>),
}

fn local<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("local")
}

fn sketch<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("sketch")
}

// === impl StoreSettings ===

impl Validate for StoreSettings {
    type Context = ();

    fn validate_into(&self, cx: &(), parent: &mut dyn FnMut() -> garde::Path, report: &mut garde::Report) {
        if let Self::Redis(redis) = self {
            redis.validate_into(cx, parent, report);
        }
    }
}

impl<'de> Deserialize<'de> for StoreSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrMap)
    }
}

struct WordOrMap;

impl<'de> Visitor<'de> for WordOrMap {
    type Value = StoreSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`local`, `sketch`, or a map such as `{ redis: \"redis://127.0.0.1:6379\" }`")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<StoreSettings, E> {
        match word {
            "local" => Ok(StoreSettings::Local),
            "sketch" => Ok(StoreSettings::Sketch),
            // What was written may be an address with a password in it.
            _ => Err(E::custom("expected `local`, `sketch`, or a map with the address as `redis`")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StoreSettings, A::Error> {
        RedisStore::deserialize(MapAccessDeserializer::new(map))
            .map(|redis| StoreSettings::Redis(Box::new(redis)))
    }
}

impl JsonSchema for StoreSettings {
    fn schema_name() -> Cow<'static, str> {
        "Store".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let redis = generator.subschema_for::<RedisStore>();
        json_schema!({
            "description": "Where counts are kept: `local` in a table of this process, `sketch` in an estimate of constant size, or in a Redis.",
            "anyOf": [{ "enum": ["local", "sketch"] }, redis],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<StoreSettings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_store_is_a_word_or_a_redis() {
        assert!(matches!(read(r#""local""#), Ok(StoreSettings::Local)));
        assert!(matches!(read(r#""sketch""#), Ok(StoreSettings::Sketch)));
        assert!(matches!(read(r#"{"redis":"redis://a"}"#), Ok(StoreSettings::Redis(_))));
        for json in [r#"{"redis":[]}"#, r#"{"redis":"redis://a","no":1}"#, "7", r#""redis""#] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_never_shown() {
        let written = r#"{"redis":"redis://:hunter2@a"}"#;
        let store = read(written).unwrap();
        assert!(!format!("{store:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&store).unwrap().contains("hunter2"));
        let error = read(r#""redis://:hunter2@a""#).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
