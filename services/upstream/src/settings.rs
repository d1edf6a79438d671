//! What a cluster is configured with.

mod server;

use std::sync::Arc;

use garde::Validate;
use headwall_core::proxy_protocol::Version;
use headwall_core::units::Duration;
use headwall_core::upstream::Protocol;
use headwall_core::{BoxError, Build, Module, Timeouts, Upstream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::dialect::Dialect;
use crate::policy::{Policies, StandardPolicies};
use crate::{
    BreakerSettings, DnsSettings, HealthCheck, PassiveHealth, QueueSettings, Scheme, StickySettings,
    TlsSettings,
};

pub use server::ServerSettings;

/// Servers that stand for one another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "ClusterSettings", bound = "P: Policies")]
#[garde(context(()))]
pub struct ClusterSettings<P: Policies = StandardPolicies> {
    /// The servers: addresses, or maps with an address and a weight. `https://` is spoken to either all of them or none.
    #[garde(length(min = 1), custom(one_scheme), custom(different), custom(some_weight), dive)]
    pub servers: Vec<ServerSettings>,
    /// Which of them gets a request. Default: `round_robin`.
    #[serde(default)]
    #[garde(dive)]
    pub policy: P,
    /// Keeps clients with the server that has answered them first, by a cookie. Default: they are not kept.
    #[serde(default)]
    #[garde(dive)]
    pub sticky: Option<StickySettings>,
    /// How many requests and tunnels all servers together may have at a time. Default: no limit.
    #[serde(default)]
    #[garde(inner(range(min = 1)))]
    pub max_connections: Option<u32>,
    /// Where requests wait that come when there is no place. Default: they do not wait, and get 503.
    #[serde(default)]
    #[garde(dive, custom(for_limits(&self.servers, self.max_connections)))]
    pub queue: Option<QueueSettings>,
    /// How long a server that has become available again takes to get its full share, and its full `max_connections`: both
    /// grow evenly, from a twentieth. Not at the start, when all servers are new. Default: at once.
    #[serde(default)]
    #[garde(inner(custom(at_least_a_second)))]
    pub slow_start: Option<Duration>,
    /// Gives the upstream up for a while when too many attempts fail. Default: never.
    #[serde(default)]
    #[garde(dive)]
    pub breaker: Option<BreakerSettings>,
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
    /// When a server is passed over for a while because of how it serves requests. Default: after five attempts in a row without
    /// an answer, or ten answered with 502 to 504.
    #[serde(default)]
    #[garde(dive)]
    pub passive_health: PassiveHealth,
    /// If fewer servers than this, in percent, are in use, then health is not believed, and requests go to all that are not
    /// draining. Default: 0, so that nobody is sent to a server that is known to be down.
    #[serde(default)]
    #[garde(range(max = 100))]
    pub panic_threshold: u32,
    /// How names of servers are looked up. Default: as the system does, as often as their TTL says.
    #[serde(default)]
    #[garde(dive)]
    pub dns: DnsSettings,
    /// How connections are kept for the next request.
    #[serde(default)]
    #[garde(skip)]
    pub keepalive: Keepalive,
    /// How long each step of an exchange may take, on routes that have no `timeouts` of their own. Default: the defaults of a
    /// route.
    #[serde(default)]
    #[garde(dive)]
    pub timeouts: Option<Timeouts>,
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
        let tls = self.tls.as_ref().map(TlsSettings::read).transpose()?.unwrap_or_default();
        self.tls.iter().for_each(|tls| tls.warn(cx.name()));
        let cluster = Arc::new(Cluster::new(self, Dialect::new(self, tls), cx)?);
        cx.before_traffic(cluster.first_look());
        Ok(cluster)
    }
}

// === impl Keepalive ===

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(4) }
    }
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

fn different(servers: &[ServerSettings], (): &()) -> garde::Result {
    let is_named_before = |&(index, server): &(usize, &ServerSettings)| {
        servers[..index].iter().any(|earlier| earlier.address == server.address)
    };
    match servers.iter().enumerate().find(is_named_before) {
        Some((_, twice)) => Err(garde::Error::new(format!(
            "server `{}` is named twice; give it a weight instead",
            twice.address
        ))),
        None => Ok(()),
    }
}

fn some_weight(servers: &[ServerSettings], (): &()) -> garde::Result {
    if !servers.is_empty() && servers.iter().all(|server| server.weight == 0) {
        return Err(garde::Error::new(
            "expected a server with a weight of more than 0: nobody would get a request",
        ));
    }
    Ok(())
}

fn for_limits(
    servers: &[ServerSettings],
    together: Option<u32>,
) -> impl FnOnce(&Option<QueueSettings>, &()) -> garde::Result {
    let is_limited = together.is_some() || servers.iter().any(|server| server.max_connections.is_some());
    move |queue, ()| {
        if queue.is_some() && !is_limited {
            return Err(garde::Error::new(
                "expected `max_connections`, here or at a server, because without it nobody ever waits",
            ));
        }
        Ok(())
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

fn at_least_a_second(time: &Duration, (): &()) -> garde::Result {
    if time.as_std().as_secs() == 0 { Err(garde::Error::new("expected at least 1s")) } else { Ok(()) }
}
