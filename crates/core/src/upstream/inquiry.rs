//! Requests of our own to an upstream.
//!
//! A filter may have to ask somebody before a request goes on: an authentication server, a list of who has paid. Such a
//! question goes to an upstream of the config, so that balancing, health, TLS and metrics are those of any other request,
//! and not to an HTTP client beside it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;

use super::{Attempt, NamedUpstream, Unavailable};
use crate::Context;
use crate::error::{Failure, cause_of};
use crate::head::{RequestHead, ResponseHead};

/// Asks an upstream. Make one when a module is built: it has the connections.
pub struct Inquiry {
    upstream: Arc<NamedUpstream>,
    connector: Connector,
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
        Self { upstream, connector: Connector::new(None), timeout, longest }
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
        for name in [CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE] {
            req.headers.remove(name);
        }
        let since = Instant::now();
        let answer = tokio::time::timeout(self.timeout, self.exchange(req.into(), &http)).await;
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
    async fn exchange(&self, req: RequestHeader, peer: &HttpPeer) -> Result<(ResponseHead, Bytes), Broken> {
        loop {
            let (session, is_reused) =
                self.connector.get_http_session(peer).await.map_err(Broken::because)?;
            match self.exchange_on(session, req.clone(), peer).await {
                Err(broken) if is_reused && broken.failure == Failure::Closed => {}
                ended => return ended,
            }
        }
    }

    async fn exchange_on(
        &self,
        mut session: HttpSession,
        req: RequestHeader,
        peer: &HttpPeer,
    ) -> Result<(ResponseHead, Bytes), Broken> {
        session.set_read_timeout(Some(self.timeout));
        session.set_write_timeout(Some(self.timeout));
        session.write_request_header(Box::new(req)).await.map_err(Broken::because)?;
        session.finish_request_body().await.map_err(Broken::because)?;
        let head = loop {
            session.read_response_header().await.map_err(Broken::because)?;
            match session.response_header() {
                Some(head) if head.status.is_informational() => {}
                Some(head) => break ResponseHead::from(head.clone()),
                None => return Err(Broken::by("no head in the answer")),
            }
        };
        let mut body = BytesMut::new();
        while let Some(piece) = session.read_response_body().await.map_err(Broken::because)? {
            body.extend_from_slice(&piece);
            if body.len() > self.longest {
                return Err(Broken::by("the answer is too long"));
            }
        }
        if let HttpSession::H1(session) = &mut session {
            session.respect_keepalive();
        }
        self.connector.release_http_session(session, peer, peer.options.idle_timeout).await;
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
    fn because(error: Box<pingora_error::Error>) -> Self {
        let error = error.into_up();
        Self { cause: cause_of(&error), failure: Failure::of(&error) }
    }

    fn by(cause: &str) -> Self {
        Self { cause: cause.to_owned(), failure: Failure::InvalidResponse }
    }
}
