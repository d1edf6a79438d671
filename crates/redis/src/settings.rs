//! The words for a Redis: where it is, how long it may take, and what happens without it.

use std::borrow::Cow;
use std::fmt;

use garde::Validate;
use headwall_core::units::{Duration, Secret};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Redis 6 or Valkey, shared by every Headwall that names the same one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RedisStore {
    /// Where it is: `redis://host:6379/0`, `rediss://` for TLS, `unix:///path`, with `user:password@` before the host
    /// where one is needed. Several for a cluster, or of sentinels.
    #[garde(skip)]
    pub redis: Urls,
    /// Whether the addresses are nodes of a Redis Cluster. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub cluster: bool,
    /// The addresses are those of sentinels, and they tell where the master is. Default: they are Redis itself.
    #[serde(default)]
    #[garde(skip)]
    pub sentinel: Option<Sentinel>,
    /// A PEM file with the authorities that `rediss://` servers are verified against. Default: the system's.
    #[serde(default)]
    #[garde(skip)]
    pub ca: Option<String>,
    /// How long a request waits for a decision. Default: `5ms`.
    #[serde(default = "five_milliseconds")]
    #[garde(custom(more_than_nothing))]
    pub timeout: Duration,
    /// What happens when there is no decision in time. Default: `local`.
    #[serde(default)]
    #[garde(skip)]
    pub fallback: Fallback,
    /// What every key in Redis begins with. Default: `headwall`.
    #[serde(default = "headwall")]
    #[garde(length(min = 1, max = 100))]
    pub prefix: String,
}

/// Which master the sentinels are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sentinel {
    /// The master's name.
    pub master: String,
    /// The sentinels' own password. User and password in the addresses are the master's. Default: none.
    #[serde(default)]
    pub password: Option<Secret>,
}

/// What happens to requests that Redis does not decide on in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Each Headwall counts by itself until Redis is back.
    #[default]
    Local,
    /// They pass.
    Allow,
    /// They get 503.
    Refuse,
}

/// One address or several. They may hold a password, so nothing prints them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Urls(pub(crate) Vec<Secret>);

fn five_milliseconds() -> Duration {
    Duration::from_millis(5)
}

fn headwall() -> String {
    "headwall".to_owned()
}

fn more_than_nothing(duration: &Duration, (): &()) -> garde::Result {
    if duration.is_zero() { Err(garde::Error::new("must be more than 0s")) } else { Ok(()) }
}

// === impl RedisStore ===

impl RedisStore {
    /// The one at this address, with the defaults of everything else.
    pub fn at(url: Secret) -> Self {
        Self {
            redis: Urls(vec![url]),
            cluster: false,
            sentinel: None,
            ca: None,
            timeout: five_milliseconds(),
            fallback: Fallback::default(),
            prefix: headwall(),
        }
    }
}

// === impl Urls ===

impl<'de> Deserialize<'de> for Urls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrSeveral)
    }
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Urls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as redis://127.0.0.1:6379, or a list of them")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<Urls, E> {
        Ok(Urls(vec![url.parse().map_err(E::custom)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Urls, A::Error> {
        let urls = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        if urls.is_empty() { Err(de::Error::custom("expected at least one address")) } else { Ok(Urls(urls)) }
    }
}

impl JsonSchema for Urls {
    fn schema_name() -> Cow<'static, str> {
        "RedisAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One address or a list: redis://host:6379/0, rediss:// for TLS, unix:///path.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
            "examples": ["redis://127.0.0.1:6379"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<RedisStore, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_enough_and_several_are_a_list() {
        for (json, addresses) in
            [(r#"{"redis":"redis://a"}"#, 1), (r#"{"redis":["redis://a","redis://b"],"cluster":true}"#, 2)]
        {
            let redis = read(json).unwrap();
            assert_eq!(redis.redis.0.len(), addresses, "{json}");
            assert_eq!(
                (redis.timeout, redis.fallback),
                (Duration::from_millis(5), Fallback::Local),
                "{json}"
            );
        }
        let (short, long) =
            (RedisStore::at("redis://a".parse().unwrap()), read(r#"{"redis":"redis://a"}"#).unwrap());
        assert_eq!(format!("{short:?}"), format!("{long:?}"), "the same defaults");
        for json in [r#"{"redis":[]}"#, r#"{"redis":""}"#, r#"{"redis":"redis://a","no":1}"#, "7"] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_never_shown() {
        let store = read(r#"{"redis":"redis://:hunter2@a"}"#).unwrap();
        assert!(!format!("{store:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&store).unwrap().contains("hunter2"));
    }
}
