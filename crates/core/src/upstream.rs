//! Where an attempt goes.
//!
//! An [`Upstream`] is asked once for each attempt and told how the attempt ended; balancing, health and discovery
//! are its own business. [`NamedUpstream`] is one that has a name in the config and therefore metrics.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};

use crate::error::Failure;
use crate::head::RequestHead;
use crate::metrics::UpstreamMetrics;
use crate::{Context, Metrics};

/// Picks the peer for one attempt.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Where this attempt goes. [`Context::attempt`] tells how many came before.
    async fn peer(&self, req: &RequestHead, cx: &mut Context) -> Result<Peer, Unavailable>;

    /// How an attempt ended: the place for passive health and load figures.
    fn finished(&self, _attempt: &Attempt<'_>) {}

    /// Whether a request could be served now. `/readyz` of the admin listener asks.
    fn is_available(&self) -> bool {
        true
    }

    /// No config names this upstream any more. Requests and tunnels that are under way may hold it for hours to come, so
    /// this is the place to end what it does by itself.
    fn retire(&self) {}
}

/// Why there is no peer.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Every server is known to be down. The client gets 503 with `Retry-After`.
    #[error("no healthy server")]
    NoHealthyServer {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// This request has no peer, and the client is to blame. It gets this answer.
    #[error("refused: {}", .0.reason().unwrap_or("no reason given"))]
    Refused(Box<crate::LocalReply>),
    /// The peer could not be found out. The client gets 502.
    #[error(transparent)]
    Failed(#[from] crate::BoxError),
}

/// The server that one attempt goes to.
pub struct Peer {
    http: Box<HttpPeer>,
    name: Arc<str>,
    lease: Option<Lease>,
}

/// Whatever must not outlive an attempt.
pub(crate) type Lease = Box<dyn Any + Send + Sync>;

/// One attempt, looked back on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The name of the server it went to: the same `Arc` that [`Peer::name`] gave.
    pub server: &'a Arc<str>,
    /// The status of the response; `None` when there was none.
    pub status: Option<StatusCode>,
    /// How it failed, if it did. [`Failure::is_upstreams`] tells whether the server is to blame.
    pub failure: Option<Failure>,
    /// From the choice of the peer to the first byte of the response, or to the failure.
    pub elapsed: Duration,
}

/// An upstream with the name that config, logs and metrics know it by.
pub struct NamedUpstream {
    name: Arc<str>,
    inner: Arc<dyn Upstream>,
    metrics: UpstreamMetrics,
}

// === impl Peer ===

impl Peer {
    /// A server spoken to in plain HTTP/1.1.
    ///
    /// The idle limit of its kept-alive connections is 4 seconds: below the 5 seconds after which a Node server
    /// closes its side, so that a request is not sent into a closing connection.
    pub fn plain(address: SocketAddr) -> Self {
        Self::new(HttpPeer::new(address, false, String::new()), address.to_string().into())
    }

    /// A server behind a unix socket.
    pub fn unix(path: &str) -> Result<Self, crate::BoxError> {
        let http = HttpPeer::new_uds(path, false, String::new())?;
        Ok(Self::new(http, format!("unix:{path}").into()))
    }

    fn new(mut http: HttpPeer, name: Arc<str>) -> Self {
        http.options.idle_timeout = Some(Duration::from_secs(4));
        // Upgrades never take Pingora's path: the gateway has a tunnel of its own.
        http.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        Self { http: Box::new(http), name, lease: None }
    }

    /// Keeps `lease` until the attempt is over, even if it panics: drop it to release a place in a queue.
    #[must_use]
    pub fn with_lease(mut self, lease: impl Any + Send + Sync) -> Self {
        self.lease = Some(Box::new(lease));
        self
    }

    /// How long a connection may wait idle in the pool for its next request.
    #[must_use]
    pub fn with_idle_timeout(mut self, idle: Duration) -> Self {
        self.http.options.idle_timeout = Some(idle);
        self
    }

    /// The name of this server in logs: its address, unless it was given another.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn into_parts(self) -> (Box<HttpPeer>, Arc<str>, Option<Lease>) {
        (self.http, self.name, self.lease)
    }
}

impl Clone for Peer {
    /// The same server without the lease: a lease belongs to one attempt.
    fn clone(&self) -> Self {
        Self { http: self.http.clone(), name: self.name.clone(), lease: None }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.name).finish()
    }
}

// === impl NamedUpstream ===

impl NamedUpstream {
    /// Names an upstream and counts its attempts in `metrics`.
    pub fn new(name: &str, inner: Arc<dyn Upstream>, metrics: &Metrics) -> Self {
        Self { name: name.into(), inner, metrics: metrics.upstream(name) }
    }

    /// The name in the config.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether a request could be served now.
    pub fn is_available(&self) -> bool {
        self.inner.is_available()
    }

    /// The upstream itself.
    pub fn inner(&self) -> &Arc<dyn Upstream> {
        &self.inner
    }

    pub(crate) fn finished(&self, attempt: &Attempt<'_>) {
        self.metrics.attempt(attempt);
        self.inner.finished(attempt);
    }
}

impl fmt::Debug for NamedUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedUpstream").field("name", &self.name).finish_non_exhaustive()
    }
}
