//! The words for where attempts are counted.

use std::borrow::Cow;
use std::fmt;

use garde::Validate;
use headwall_redis::{Fallback, RedisStore};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Where attempts are counted: `local`, or a Redis by its address or with its settings.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(untagged)]
pub enum GuardStore {
    /// In tables of this process.
    #[default]
    #[serde(serialize_with = "local")]
    Local,
    /// In Redis, which several Headwalls share.
    Redis(Box<RedisStore>),
}

fn local<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("local")
}

impl Validate for GuardStore {
    type Context = ();

    fn validate_into(&self, cx: &(), parent: &mut dyn FnMut() -> garde::Path, report: &mut garde::Report) {
        let Self::Redis(redis) = self else { return };
        redis.validate_into(cx, parent, report);
        if redis.fallback != Fallback::Local {
            let error = "a guard counts here while Redis is gone, and neither lets everybody in nor nobody";
            report.append(parent().join("fallback"), garde::Error::new(error));
        }
    }
}

impl<'de> Deserialize<'de> for GuardStore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressOrMap)
    }
}

struct AddressOrMap;

impl<'de> Visitor<'de> for AddressOrMap {
    type Value = GuardStore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`local`, an address such as redis://127.0.0.1:6379, or a map such as `{ redis: \"redis://127.0.0.1:6379\" }`")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<GuardStore, E> {
        if word == "local" {
            return Ok(GuardStore::Local);
        }
        let is_address = ["redis://", "rediss://", "unix://"].iter().any(|scheme| word.starts_with(scheme));
        // What was written may be an address with a password in it.
        let expected =
            "expected `local`, an address such as redis://127.0.0.1:6379, or a map with it as `redis`";
        let url = is_address.then(|| word.parse()).and_then(Result::ok).ok_or_else(|| E::custom(expected))?;
        Ok(GuardStore::Redis(Box::new(RedisStore::at(url))))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GuardStore, A::Error> {
        let redis = RedisStore::deserialize(MapAccessDeserializer::new(map))?;
        Ok(GuardStore::Redis(Box::new(redis)))
    }
}

impl JsonSchema for GuardStore {
    fn schema_name() -> Cow<'static, str> {
        "GuardStore".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let redis = generator.subschema_for::<RedisStore>();
        json_schema!({
            "description": "Where attempts are counted: `local` in tables of this process, or in a Redis, by its address or with its settings.",
            "anyOf": [{ "enum": ["local"] }, { "type": "string", "pattern": "^(rediss?|unix)://" }, redis],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<GuardStore, String> {
        let store: GuardStore = serde_json::from_str(json).map_err(|error| error.to_string())?;
        store.validate().map_err(|report| report.to_string())?;
        Ok(store)
    }

    #[test]
    fn a_store_is_a_word_an_address_or_a_map() {
        assert!(matches!(read(r#""local""#), Ok(GuardStore::Local)));
        for json in [r#""redis://a""#, r#""rediss://a:6380/1""#, r#"{"redis":"redis://a","timeout":"9ms"}"#] {
            assert!(matches!(read(json), Ok(GuardStore::Redis(_))), "{json}");
        }
        let rows = [
            (r#""http://:hunter2@a""#, "expected `local`"),
            (r#""sketch""#, "expected `local`"),
            ("7", "expected `local`"),
            (r#"{"redis":"redis://:hunter2@a","no":1}"#, "unknown field `no`"),
            (r#"{"redis":"redis://:hunter2@a","fallback":"allow"}"#, "counts here while Redis is gone"),
        ];
        for (json, part) in rows {
            let error = read(json).unwrap_err();
            assert!(error.contains(part) && !error.contains("hunter2"), "{json}: {error}");
        }
    }
}
