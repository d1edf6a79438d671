//! A server as it is written: an address, or a map with an address and what is special about it.

use std::borrow::Cow;
use std::fmt;

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::ServerAddress;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Validate)]
pub struct ServerSettings {
    /// Where it is.
    #[garde(skip)]
    pub address: ServerAddress,
    /// How many requests it gets for each one that a server of weight 1 gets. 0 is none at all. Default: 1.
    #[garde(range(max = 100))]
    pub weight: u32,
    /// When it is asked: when no server of a lower number can take a request. Default: 0.
    #[garde(range(max = 100))]
    pub priority: u32,
    /// How many requests and tunnels it may have at a time. Default: no limit.
    #[garde(inner(range(min = 1)))]
    pub max_connections: Option<u32>,
}

// === impl ServerSettings ===

impl<'de> Deserialize<'de> for ServerSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressOrMap)
    }
}

/// The long form of a server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Long {
    /// Where it is.
    address: ServerAddress,
    /// How many requests it gets for each one that a server of weight 1 gets. 0 is none at all. Default: 1.
    #[serde(default = "one")]
    weight: u32,
    /// Whether it is there for when the others cannot take a request: the same as `priority: 1`. Default: `false`.
    #[serde(default)]
    backup: bool,
    /// When it is asked: when no server of a lower number can take a request, because all are down, full, or have been
    /// tried. Default: 0.
    #[serde(default)]
    priority: Option<u32>,
    /// How many requests and tunnels it may have at a time. Default: no limit.
    #[serde(default)]
    max_connections: Option<u32>,
}

struct AddressOrMap;

impl<'de> Visitor<'de> for AddressOrMap {
    type Value = ServerSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as `127.0.0.1:3000` or `https://app.internal`, or a map with `address` and `weight`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ServerSettings, E> {
        let address = text.parse().map_err(E::custom)?;
        Ok(ServerSettings { address, weight: 1, priority: 0, max_connections: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServerSettings, A::Error> {
        let Long { address, weight, backup, priority, max_connections } =
            Long::deserialize(MapAccessDeserializer::new(map))?;
        if backup && priority.is_some() {
            return Err(de::Error::custom(
                "expected `backup` or `priority`, found both: `backup` is priority 1",
            ));
        }
        let priority = priority.unwrap_or(u32::from(backup));
        Ok(ServerSettings { address, weight, priority, max_connections })
    }
}

impl JsonSchema for ServerSettings {
    fn schema_name() -> Cow<'static, str> {
        "Server".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (short, long) = (generator.subschema_for::<ServerAddress>(), generator.subschema_for::<Long>());
        json_schema!({ "description": "An address, or an address with a weight.", "anyOf": [short, long] })
    }
}

fn one() -> u32 {
    1
}
