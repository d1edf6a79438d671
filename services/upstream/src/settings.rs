//! What a cluster is configured with.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use garde::Validate;
use headwall_core::units::Duration;
use headwall_core::{BoxError, Build, Module, Upstream};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::ServerAddress;
use crate::cluster::Cluster;

/// Servers that stand for one another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ClusterSettings {
    /// The servers: addresses, or maps with an address and a weight.
    #[garde(length(min = 1), dive)]
    pub servers: Vec<ServerSettings>,
    /// How it is found out which of them work. Default: all are taken to.
    #[serde(default)]
    #[garde(dive)]
    pub health_check: Option<HealthCheck>,
    /// How connections are kept for the next request.
    #[serde(default)]
    #[garde(skip)]
    pub keepalive: Keepalive,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Validate)]
pub struct ServerSettings {
    /// Where it is.
    #[garde(skip)]
    pub address: ServerAddress,
    /// How many requests it gets for each one that a server of weight 1 gets. Default: 1.
    #[garde(range(min = 1, max = 100))]
    pub weight: u32,
}

/// How it is found out whether a server works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// Asks for this path over HTTP. Default: only a TCP connection is opened.
    #[garde(inner(prefix("/")))]
    pub path: Option<String>,
    /// The Host to ask for. Default: the server's address.
    #[garde(skip)]
    pub host: Option<String>,
    /// Statuses that are taken for health. Default: every 2xx and 3xx.
    #[garde(inner(range(min = 100, max = 599)))]
    pub expect: Vec<u16>,
    /// How often. Each wait is up to a tenth shorter or longer, so that checks do not march in step. Default: `10s`.
    #[garde(custom(at_least_half_a_second))]
    pub interval: Duration,
    /// How long a check may take. Default: `5s`.
    #[garde(custom(more_than_nothing))]
    pub timeout: Duration,
    /// After how many failures in a row a server counts as down. Default: 3.
    #[garde(range(min = 1, max = 100))]
    pub fall: u32,
    /// After how many successes in a row it counts as up again. Default: 2.
    #[garde(range(min = 1, max = 100))]
    pub rise: u32,
}

/// How connections to a server are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keepalive {
    /// How long an idle connection is kept. Default: `4s`, because a Node server closes its side after 5, and a
    /// request that meets a closing connection is lost.
    pub idle_timeout: Duration,
}

// === impl ClusterSettings ===

impl Module for ClusterSettings {
    type Makes = dyn Upstream;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Upstream>, BoxError> {
        for (index, server) in self.servers.iter().enumerate() {
            if self.servers[..index].iter().any(|earlier| earlier.address == server.address) {
                return Err(
                    format!("server `{}` is named twice; give it a weight instead", server.address).into()
                );
            }
        }
        // A cluster that did not change keeps its health and goes on checking.
        let cluster = cx.shared(&format!("{self:?}"), || Cluster::new(cx.name(), self, cx.metrics()))?;
        cx.before_traffic(cluster.first_look());
        Ok(cluster)
    }
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
    /// How many requests it gets for each one that a server of weight 1 gets. Default: 1.
    #[serde(default = "one")]
    weight: u32,
}

struct AddressOrMap;

impl<'de> Visitor<'de> for AddressOrMap {
    type Value = ServerSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as `127.0.0.1:3000`, or a map with `address` and `weight`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ServerSettings, E> {
        Ok(ServerSettings { address: text.parse().map_err(E::custom)?, weight: 1 })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServerSettings, A::Error> {
        let Long { address, weight } = Long::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ServerSettings { address, weight })
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

// === impl HealthCheck ===

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: None,
            host: None,
            expect: Vec::new(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            fall: 3,
            rise: 2,
        }
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(4) }
    }
}

fn one() -> u32 {
    1
}

fn at_least_half_a_second(interval: &Duration, (): &()) -> garde::Result {
    if interval.as_std().as_millis() < 500 {
        return Err(garde::Error::new("expected at least 500ms"));
    }
    Ok(())
}

fn more_than_nothing(timeout: &Duration, (): &()) -> garde::Result {
    if timeout.is_zero() { Err(garde::Error::new("expected more than nothing")) } else { Ok(()) }
}
