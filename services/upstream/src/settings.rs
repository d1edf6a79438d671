//! What a cluster is configured with.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use garde::Validate;
use headwall_core::proxy_protocol::Version;
use headwall_core::units::Duration;
use headwall_core::upstream::Protocol;
use headwall_core::{BoxError, Build, Module, Upstream};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::dialect::Dialect;
use crate::policy::{Policies, StandardPolicies};
use crate::{HealthCheck, Scheme, ServerAddress, TlsSettings};

/// Servers that stand for one another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "ClusterSettings", bound = "P: Policies")]
#[garde(context(()))]
pub struct ClusterSettings<P: Policies = StandardPolicies> {
    /// The servers: addresses, or maps with an address and a weight. `https://` is spoken to either all of them or none.
    #[garde(length(min = 1), custom(one_scheme), dive)]
    pub servers: Vec<ServerSettings>,
    /// Which of them gets a request. Default: `round_robin`.
    #[serde(default)]
    #[garde(dive)]
    pub policy: P,
    /// Which HTTP they are spoken to in. WebSockets are asked for in HTTP/1.1 in any case. Default: `http1`.
    #[serde(default)]
    #[garde(skip)]
    pub protocol: Protocol,
    /// How TLS is spoken to `https://` servers. Default: certificates are verified against the system's authorities.
    #[serde(default)]
    #[garde(dive, custom(for_https(&self.servers)))]
    pub tls: Option<TlsSettings>,
    /// Tells each server the client's address at the start of a connection, before TLS. Such connections are not shared
    /// between clients. Default: not told.
    #[serde(default)]
    #[garde(skip)]
    pub proxy_protocol: Option<Version>,
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

/// How connections to a server are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keepalive {
    /// How long an idle connection is kept. Default: `4s`, because a Node server closes its side after 5, and a
    /// request that meets a closing connection is lost.
    pub idle_timeout: Duration,
}

// === impl ClusterSettings ===

impl<P: Policies> Module for ClusterSettings<P> {
    type Makes = dyn Upstream;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Upstream>, BoxError> {
        for (index, server) in self.servers.iter().enumerate() {
            if self.servers[..index].iter().any(|earlier| earlier.address == server.address) {
                return Err(
                    format!("server `{}` is named twice; give it a weight instead", server.address).into()
                );
            }
        }
        let tls = self.tls.as_ref().map(TlsSettings::read).transpose()?.unwrap_or_default();
        self.tls.iter().for_each(|tls| tls.warn(cx.name()));
        let cluster = Arc::new(Cluster::new(self, Dialect::new(self, tls), cx)?);
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
        f.write_str("an address such as `127.0.0.1:3000` or `https://app.internal`, or a map with `address` and `weight`")
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

// === impl Keepalive ===

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(4) }
    }
}

fn one() -> u32 {
    1
}

/// Requests of one route go to any of the servers, and must not be encrypted by chance.
fn one_scheme(servers: &[ServerSettings], (): &()) -> garde::Result {
    let plain = servers.iter().find(|server| server.address.scheme == Scheme::Http);
    let tls = servers.iter().find(|server| server.address.scheme == Scheme::Https);
    match (plain, tls) {
        (Some(plain), Some(tls)) => Err(garde::Error::new(format!(
            "expected `https://` before all servers or none: `{}` has none and `{}` has it; make them two upstreams",
            plain.address, tls.address
        ))),
        _ => Ok(()),
    }
}

fn for_https(servers: &[ServerSettings]) -> impl FnOnce(&Option<TlsSettings>, &()) -> garde::Result {
    let is_plain = servers.iter().all(|server| server.address.scheme == Scheme::Http);
    move |tls, ()| {
        if tls.is_some() && is_plain {
            return Err(garde::Error::new(
                "expected servers with `https://`, because no other is spoken to in TLS",
            ));
        }
        Ok(())
    }
}
