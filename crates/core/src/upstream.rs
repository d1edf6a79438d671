//! Where an attempt goes.
//!
//! An [`Upstream`] is asked once for each attempt and told how the attempt ended; balancing, health and discovery
//! are its own business. [`Peer`] is its answer: a server, and how it is spoken to. [`NamedUpstream`] is one that has a
//! name in the config and therefore metrics.

mod announce;
mod budget;
mod call;
mod dial;
mod fetch;
mod inquiry;
mod peer;
mod servers;
mod tls;
mod wire;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::StatusCode;
use parking_lot::Mutex;

use crate::error::Failure;
use crate::head::RequestHead;
use crate::metrics::UpstreamMetrics;
use crate::service::Timeouts;
use crate::{Context, Metrics};

pub(crate) use budget::{Budget, Repetition};
pub use fetch::{Fetch, Fetched, FetchedBody, Unfetched};
pub use inquiry::{Inquiry, Unanswered};
pub(crate) use peer::{Lease, Target};
pub use peer::{Peer, Protocol};
pub use servers::{CheckFailure, Disobeyed, Order, ServerStatus};
pub use tls::{InvalidServerName, PeerTls, ServerName, UnusablePem};
pub(crate) use wire::Wire;

/// Picks the peer for one attempt.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Where this attempt goes. [`Context::attempt`] tells how many came before.
    async fn peer(&self, req: &RequestHead, cx: &mut Context) -> Result<Peer, Unavailable>;

    /// Whether [`peer`](Self::peer) may have a request wait for its turn. The gateway then looks meanwhile whether the client
    /// is still there, and drops the future of one that has left.
    fn has_queue(&self) -> bool {
        false
    }

    /// How an attempt ended: the place for passive health and load figures.
    fn finished(&self, _attempt: &Attempt<'_>) {}

    /// Whether a request could be served now. `/readyz` of the admin listener asks.
    fn is_available(&self) -> bool {
        true
    }

    /// How long the steps of an exchange with it may take, where a route says nothing. By default it has no opinion.
    fn timeouts(&self) -> Option<Timeouts> {
        None
    }

    /// Its servers, for operators. None for an upstream that has nothing to tell.
    fn servers(&self) -> Vec<ServerStatus> {
        Vec::new()
    }

    /// An operator says something about a server, named as [`servers`](Self::servers) does.
    fn order(&self, _server: &str, _order: Order) -> Result<(), Disobeyed> {
        Err(Disobeyed::NotTaken)
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
    /// This request has no peer, for a reason that its client should know. It gets this answer.
    #[error("refused: {}", .0.reason().unwrap_or("no reason given"))]
    Refused(Box<crate::LocalReply>),
    /// The peer could not be found out. The client gets 502.
    #[error(transparent)]
    Failed(#[from] crate::BoxError),
}

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
    /// What [`Peer::with_lease`] was given: an upstream finds there what it knows about the server, without a look-up.
    pub lease: Option<&'a (dyn Any + Send + Sync)>,
}

/// An upstream with the name that config, logs and metrics know it by.
pub struct NamedUpstream {
    name: Arc<str>,
    inner: Arc<dyn Upstream>,
    metrics: UpstreamMetrics,
    budget: Arc<Budget>,
    complained: Mutex<Option<Instant>>,
}

/// The least time between two lines in the log about one upstream: every request may fail for the same reason.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(1);

// === impl NamedUpstream ===

impl NamedUpstream {
    /// Names an upstream and counts its attempts in `metrics`.
    pub fn new(name: &str, inner: Arc<dyn Upstream>, metrics: &Metrics) -> Self {
        let metrics = metrics.upstream(name);
        let budget = Arc::new(Budget::new(Instant::now()));
        Self { name: name.into(), inner, metrics, budget, complained: Mutex::default() }
    }

    /// The name in the config.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether a request could be served now.
    pub fn is_available(&self) -> bool {
        self.inner.is_available()
    }

    /// How long the steps of an exchange may take: as the route says, else the upstream, else the defaults.
    pub fn timeouts(&self, of_route: Option<Timeouts>) -> Timeouts {
        of_route.or_else(|| self.inner.timeouts()).unwrap_or_default()
    }

    /// The upstream itself.
    pub fn inner(&self) -> &Arc<dyn Upstream> {
        &self.inner
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub(crate) fn finished(&self, attempt: &Attempt<'_>) {
        self.metrics.attempt(attempt);
        self.inner.finished(attempt);
    }

    /// A request is sent a further time, or would have been if the budget had not been spent.
    pub(crate) fn repeated(&self, is_made: bool) {
        self.metrics.repeated(is_made);
    }

    /// Tells the log what is wrong with a server, unless it was told of one just now.
    pub(crate) fn complain(&self, server: &str, what: impl FnOnce() -> String) {
        let now = Instant::now();
        let mut complained = self.complained.lock();
        if complained.is_none_or(|last| now - last >= BETWEEN_COMPLAINTS) {
            *complained = Some(now);
            drop(complained);
            log::warn!("upstream {}: {server}: {}", self.name, what());
        }
    }
}

impl fmt::Debug for NamedUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedUpstream").field("name", &self.name).finish_non_exhaustive()
    }
}
