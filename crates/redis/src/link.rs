//! Connections to Redis: one server, a cluster, or whichever server the sentinels call master.

use std::fmt;

use headwall_core::BoxError;
use headwall_core::units::Secret;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisError,
    Script, ScriptInvocation, TlsCertificates,
};

use crate::{RedisStore, Sentinel};

/// Where connections come from.
pub(crate) enum Source {
    One(Client),
    Cluster(Cluster),
    Sentinels(Sentinels),
}

/// A cluster, and the servers of it that the config names.
pub(crate) struct Cluster {
    client: ClusterClient,
    name: String,
}

/// Servers that know where the master is.
pub(crate) struct Sentinels {
    addresses: Vec<ConnectionAddr>,
    /// How the master is spoken to; its address is not known yet.
    master: ConnectionInfo,
    settings: Sentinel,
    certificates: Option<TlsCertificates>,
}

/// One connection, shared by all requests.
#[derive(Clone)]
pub(crate) enum Link {
    One(MultiplexedConnection),
    Cluster(Box<ClusterConnection>),
}

// === impl Source ===

impl Source {
    pub(crate) fn new(settings: &RedisStore) -> Result<Self, BoxError> {
        let certificates = settings.ca.as_deref().map(certificates).transpose()?;
        let infos: Vec<_> = settings.redis.0.iter().map(info).collect::<Result<_, _>>()?;
        let Some(first) = infos.first().cloned() else { return Err("there is no address".into()) };
        if let Some(sentinel) = settings.sentinel.clone() {
            if settings.cluster {
                return Err("`cluster` and `sentinel` exclude each other".into());
            }
            let addresses = infos.iter().map(|info| info.addr().clone()).collect();
            let certificates = certificates.filter(|_| is_tls(first.addr()));
            return Ok(Self::Sentinels(Sentinels {
                addresses,
                master: first,
                settings: sentinel,
                certificates,
            }));
        }
        if settings.cluster {
            let name = infos.iter().map(|info| name_of(info.addr())).collect::<Vec<_>>().join(",");
            let mut builder = ClusterClient::builder(infos).retries(1);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            return Ok(Self::Cluster(Cluster { client: builder.build()?, name }));
        }
        if infos.len() > 1 {
            return Err("several addresses are those of a `cluster` or of a `sentinel`; say which".into());
        }
        Ok(Self::One(match certificates {
            Some(certificates) => Client::build_with_tls(first, certificates)?,
            None => Client::open(first)?,
        }))
    }

    /// Its addresses, without what else an URL may hold: a label of metrics, and a word in the log.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::One(client) => name_of(client.get_connection_info().addr()),
            Self::Cluster(cluster) => cluster.name.clone(),
            Self::Sentinels(sentinels) => sentinels.settings.master.clone(),
        }
    }

    pub(crate) async fn connect(&self) -> Result<Link, RedisError> {
        // The budget is kept by who asks; a second timer for each answer would only cost.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        match self {
            Self::One(client) => {
                Ok(Link::One(client.get_multiplexed_async_connection_with_config(&config).await?))
            }
            Self::Cluster(cluster) => {
                Ok(Link::Cluster(Box::new(cluster.client.get_async_connection().await?)))
            }
            Self::Sentinels(sentinels) => {
                // The sentinels are asked each time: after a failover the master is somebody else.
                let mut client = sentinels.builder()?.build()?;
                Ok(Link::One(client.get_async_connection_with_config(&config).await?))
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name()).finish()
    }
}

/// Reads an address. What is wrong with it is told without it, because it may hold a password.
fn info(url: &Secret) -> Result<ConnectionInfo, BoxError> {
    let malformed =
        "an address is not of the form redis://user:password@host:6379/0, rediss://… or unix:///path";
    Ok(url.expose().into_connection_info().map_err(|_| malformed)?)
}

fn certificates(path: &str) -> Result<TlsCertificates, BoxError> {
    let pem = std::fs::read(path).map_err(|error| format!("ca `{path}` cannot be read: {error}"))?;
    Ok(TlsCertificates { client_tls: None, root_cert: Some(pem) })
}

fn is_tls(address: &ConnectionAddr) -> bool {
    matches!(address, ConnectionAddr::TcpTls { .. })
}

fn name_of(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            format!("{host}:{port}")
        }
        ConnectionAddr::Unix(path) => path.display().to_string(),
        _ => "redis".to_owned(),
    }
}

// === impl Sentinels ===

impl Sentinels {
    fn builder(&self) -> Result<SentinelClientBuilder, RedisError> {
        let Self { addresses, master, settings, certificates } = self;
        let mut builder =
            SentinelClientBuilder::new(addresses.clone(), &settings.master, SentinelServerType::Master)?;
        let redis = master.redis_settings();
        builder = builder.set_client_to_redis_db(redis.db());
        if let Some(username) = redis.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = redis.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(password) = &settings.password {
            builder = builder.set_client_to_sentinel_password(password.expose());
        }
        if is_tls(master.addr()) {
            builder = builder.set_client_to_redis_tls_mode(redis::TlsMode::Secure);
        }
        if let Some(certificates) = certificates {
            builder = builder.set_client_to_redis_certificates(certificates.clone());
            builder = builder.set_client_to_sentinel_certificates(certificates.clone());
        }
        Ok(builder)
    }
}

// === impl Link ===

impl Link {
    pub(crate) async fn run(&self, call: &ScriptInvocation<'_>) -> Result<Vec<i64>, RedisError> {
        match self.clone() {
            Self::One(mut connection) => call.invoke_async(&mut connection).await,
            Self::Cluster(mut connection) => call.invoke_async(&mut *connection).await,
        }
    }

    /// Has Redis learn the script, which spares the first decision two round trips.
    pub(crate) async fn load(&self, script: &Script) -> Result<(), RedisError> {
        match self.clone() {
            Self::One(mut connection) => script.load_async(&mut connection).await.map(drop),
            Self::Cluster(mut connection) => script.load_async(&mut *connection).await.map(drop),
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), RedisError> {
        let ping = redis::cmd("PING");
        match self.clone() {
            Self::One(mut connection) => ping.exec_async(&mut connection).await,
            Self::Cluster(mut connection) => ping.exec_async(&mut *connection).await,
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(_) => "Link::One",
            Self::Cluster(_) => "Link::Cluster",
        })
    }
}
