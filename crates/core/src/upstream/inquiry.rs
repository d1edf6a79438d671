//! Requests of our own to an upstream.
//!
//! A filter may have to ask somebody before a request goes on: an authentication server, a list of who has paid. Such a
//! question goes to an upstream of the config, so that balancing, health, TLS and metrics are those of any other request,
//! and not to an HTTP client beside it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use pingora_core::upstreams::peer::HttpPeer;

use super::call::{Call, Calls, Waits};
use super::{Attempt, NamedUpstream, Unavailable};
use crate::error::{Failure, cause_of};
use crate::head::{RequestHead, ResponseHead};
use crate::{Context, forward};

/// Asks an upstream. Make one when a module is built: it has the connections.
pub struct Inquiry {
    upstream: Arc<NamedUpstream>,
    calls: Calls,
    timeout: Duration,
    longest: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The upstream has no server for this.
    #[error("upstream {upstream}: {source}")]
    NoServer {
        /// The upstream's name.
        upstream: Arc<str>,
        /// What it said.
        source: Unavailable,
    },
    /// The server could not be reached, or broke off.
    #[error("upstream {upstream}: {server}: {cause}")]
    Failed {
        /// The upstream's name.
        upstream: Arc<str>,
        /// The server's name.
        server: Arc<str>,
        /// What went wrong.
        cause: String,
    },
    /// The whole answer was not there in time.
    #[error("upstream {upstream}: {server}: no answer within {limit:?}")]
    Late {
        /// The upstream's name.
        upstream: Arc<str>,
        /// The server's name.
        server: Arc<str>,
        /// How long it had.
        limit: Duration,
    },
}

/// How one exchange ended badly.
struct Broken {
    cause: String,
    failure: Failure,
}

// === impl Inquiry ===

impl Inquiry {
    /// Asks this upstream. A whole answer may take `timeout` and its body may have `longest` bytes.
    pub fn new(upstream: Arc<NamedUpstream>, timeout: Duration, longest: usize) -> Self {
        Self { upstream, calls: Calls::new(), timeout, longest }
    }

    /// Sends a request without a body, as it stands, and reads the whole answer.
    ///
    /// The method should be a safe one: on a kept connection that turns out to be dead the question is asked again.
    pub async fn ask(
        &self,
        mut req: RequestHead,
        cx: &mut Context,
    ) -> Result<(ResponseHead, Bytes), Unanswered> {
        let upstream = self.upstream.name().clone();
        let peer = self.upstream.inner().peer(&req, cx).await;
        let peer = peer.map_err(|source| Unanswered::NoServer { upstream: upstream.clone(), source })?;
        let server = peer.name().clone();
        let http = peer.for_check(self.timeout);
        forward::begin_hop(&mut req.headers);
        let since = Instant::now();
        let answer = tokio::time::timeout(self.timeout, self.exchange(&req, &http)).await;
        let (status, failure) = match &answer {
            Ok(Ok((head, _))) => (Some(head.status), None),
            Ok(Err(broken)) => (None, Some(broken.failure)),
            Err(_) => (None, Some(Failure::ReadTimeout)),
        };
        let (elapsed, lease) = (since.elapsed(), peer.lease());
        self.upstream.finished(&Attempt { server: &server, status, failure, elapsed, lease });
        // The peer's lease ends with the attempt.
        drop(peer);
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Broken { cause, .. })) => Err(Unanswered::Failed { upstream, server, cause }),
            Err(_) => Err(Unanswered::Late { upstream, server, limit: self.timeout }),
        }
    }

    /// A connection that was kept may have died in the pool; the question is asked again on another then.
    async fn exchange(&self, req: &RequestHead, peer: &HttpPeer) -> Result<(ResponseHead, Bytes), Broken> {
        loop {
            let call =
                self.calls.open(Box::new(peer.clone())).await.map_err(|error| Broken::because(&error))?;
            let is_reused = call.is_reused;
            match self.exchange_on(call, req.clone()).await {
                Err(broken) if is_reused && broken.failure == Failure::Closed => {}
                ended => return ended,
            }
        }
    }

    async fn exchange_on(&self, mut call: Call, req: RequestHead) -> Result<(ResponseHead, Bytes), Broken> {
        let waits = Waits { send: self.timeout, first_byte: self.timeout, read: self.timeout };
        let head = call.ask(req, Bytes::new(), waits).await.map_err(|error| Broken::because(&error))?;
        let mut body = BytesMut::new();
        while let Some(piece) = call.piece().await.map_err(|error| Broken::because(&error))? {
            body.extend_from_slice(&piece);
            if body.len() > self.longest {
                let cause = String::from("the answer is too long");
                return Err(Broken { cause, failure: Failure::InvalidResponse });
            }
        }
        call.rest().await;
        Ok((head, body.freeze()))
    }
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquiry").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

// === impl Broken ===

impl Broken {
    fn because(error: &pingora_error::Error) -> Self {
        Self { cause: cause_of(error), failure: Failure::of(error) }
    }
}
