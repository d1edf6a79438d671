//! Where the servers behind a name are, as DNS tells.
//!
//! A look-up gives all addresses of a name and says how long that holds. SRV records (RFC 2782) give ports, priorities and weights
//! besides. Files of the system - `/etc/resolv.conf`, `/etc/hosts` - are read for each look-up, so a machine that moves to
//! another network goes on.

mod settings;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;

pub use settings::DnsSettings;

/// Asks for names.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    servers: Vec<SocketAddr>,
    min_ttl: Duration,
    max_ttl: Duration,
}

/// One server that a name leads to. They are in order, so that answers can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// A lower one is asked first. 0 for a name without SRV.
    pub(crate) priority: u16,
    pub(crate) address: SocketAddr,
    /// In proportion to the others of its priority, and never 0.
    pub(crate) weight: u16,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// Addresses of a host, for this port.
    Host(String, u16),
    /// Servers of a service: `_http._tcp.app.internal`.
    Service(String),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name, _) | Self::Service(name) => f.write_str(name),
        }
    }
}

/// An answer with at least one server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) found: Vec<Found>,
    /// How long it holds, within what the settings allow.
    pub(crate) ttl: Duration,
}

/// Why a look-up gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotFound {
    #[error("{0}")]
    Net(#[from] NetError),
    #[error("no address")]
    NoAddress,
    #[error("the service is not offered")]
    NotOffered,
}

/// How long a name server may take, and how often it is asked: both together less than what a start waits.
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
/// How many targets of a service are looked up.
const MOST_TARGETS: usize = 64;

impl Resolver {
    pub(crate) fn new(settings: &DnsSettings) -> Self {
        let (min_ttl, max_ttl) = (settings.min_ttl.as_std(), settings.max_ttl.as_std());
        Self { servers: settings.servers.clone(), min_ttl, max_ttl }
    }

    /// One look-up.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Answer, NotFound> {
        let resolver = self.build()?;
        let (mut found, ttl) = match question {
            Question::Host(host, port) => {
                let (addresses, ttl) = addresses(&resolver, host).await?;
                let found = |ip| Found { priority: 0, address: SocketAddr::new(ip, *port), weight: 1 };
                (addresses.into_iter().map(found).collect::<BTreeSet<_>>(), ttl)
            }
            Question::Service(name) => service(&resolver, name).await?,
        };
        if let Question::Host(host, _) = question {
            prefer_ipv4_of_localhost(host, &mut found);
        }
        let ttl = ttl.clamp(self.min_ttl, self.max_ttl);
        Ok(Answer { found: found.into_iter().collect(), ttl })
    }

    fn build(&self) -> Result<TokioResolver, NetError> {
        let mut builder = if self.servers.is_empty() {
            // Without a file the C library asks a server of this machine, and so do we.
            let local = || {
                let local = vec![NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into())];
                let config = ResolverConfig::from_name_servers(local);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            };
            TokioResolver::builder_tokio().unwrap_or_else(|_| local())
        } else {
            let servers = self.servers.iter().map(|server| name_server(*server)).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        // We know by ourselves how long an answer holds.
        options.cache_size = 0;
        if !self.servers.is_empty() {
            options.use_hosts_file = ResolveHosts::Never;
        }
        builder.build()
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    server.connections = server.connections.into_iter().map(at).collect();
    server
}

/// All addresses of a host, and how long they hold.
async fn addresses(resolver: &TokioResolver, host: &str) -> Result<(Vec<IpAddr>, Duration), NotFound> {
    let answer = resolver.lookup_ip(host).await?;
    let addresses: Vec<_> = answer.iter().collect();
    if addresses.is_empty() {
        return Err(NotFound::NoAddress);
    }
    let ttl = answer.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or(0);
    Ok((addresses, Duration::from_secs(ttl.into())))
}

/// All servers of a service. Targets that cannot be looked up are left out, as long as one can.
async fn service(resolver: &TokioResolver, name: &str) -> Result<(BTreeSet<Found>, Duration), NotFound> {
    let answer = resolver.srv_lookup(name).await?;
    let mut ttl = Duration::MAX;
    let (mut found, mut failed) = (BTreeSet::new(), None);
    for record in answer.answers().iter().take(MOST_TARGETS) {
        ttl = ttl.min(Duration::from_secs(record.ttl.into()));
        let RData::SRV(SRV { priority, weight, port, target, .. }) = &record.data else { continue };
        // A single dot says that there is no such service (RFC 2782).
        if target.is_root() {
            continue;
        }
        match addresses(resolver, &target.to_utf8()).await {
            Ok((addresses, holds)) => {
                ttl = ttl.min(holds);
                let (priority, weight) = (*priority, (*weight).max(1));
                let at = |ip| Found { priority, address: SocketAddr::new(ip, *port), weight };
                found.extend(addresses.into_iter().map(at));
            }
            Err(error) => failed = Some(error),
        }
    }
    match (found.is_empty(), failed) {
        (false, _) => Ok((found, ttl)),
        (true, Some(error)) => Err(error),
        (true, None) => Err(NotFound::NotOffered),
    }
}

/// `localhost` is one machine, and what listens there often listens on one of its addresses only.
fn prefer_ipv4_of_localhost(host: &str, found: &mut BTreeSet<Found>) {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if (host == "localhost" || host.ends_with(".localhost"))
        && found.iter().any(|found| found.address.is_ipv4())
    {
        found.retain(|found| found.address.is_ipv4());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_one_server() {
        let found = |texts: &[&str]| -> BTreeSet<Found> {
            let found = |text: &&str| Found { priority: 0, address: text.parse().unwrap(), weight: 1 };
            texts.iter().map(found).collect()
        };
        let both = ["127.0.0.1:80", "[::1]:80"];
        let rows: [(&str, &[&str], &[&str]); 4] = [
            ("localhost", &both, &["127.0.0.1:80"]),
            ("App.localhost.", &both, &["127.0.0.1:80"]),
            ("localhost", &["[::1]:80"], &["[::1]:80"]),
            ("app.internal", &both, &both),
        ];
        for (host, all, kept) in rows {
            let mut all = found(all);
            prefer_ipv4_of_localhost(host, &mut all);
            assert_eq!(all, found(kept), "{host}");
        }
    }
}
