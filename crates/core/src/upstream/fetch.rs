//! Answers that are fetched for whoever may want them.
//!
//! The gateway's own way to an upstream ends at one client: it goes at the client's pace and breaks off when the client
//! leaves. A cache needs an answer that belongs to nobody yet. A [`Fetch`] gets one, head first and the body as it comes,
//! by the same rules: the upstream picks the server, hop-by-hop headers stay here, forward headers are written, another
//! server is tried where that cannot be noticed, and the attempt counts in metrics, health and the access log.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::Scheme;
use http::{HeaderName, StatusCode, Uri, Version};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;

use super::{Attempt, Lease, Target, Unavailable};
use crate::error::{Failure, cause_of};
use crate::gateway::exchange::attempts_are_left;
use crate::head::{RequestHead, ResponseHead};
use crate::service::Forward;
use crate::{BoxError, Context, Error, LocalReply, forward};

/// What a request says to this hop alone.
static THIS_HOP: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Asks upstreams. Make one when a module is built, and keep it over reloads: it has the connections.
pub struct Fetch(Arc<Connector>);

/// An answer whose body is on its way.
pub struct Fetched {
    /// The head, without what concerns one hop.
    pub head: ResponseHead,
    /// The body. Dropping it breaks the exchange off.
    pub body: FetchedBody,
    /// Whether the end of the body can be told from a connection that broke.
    pub is_framed: bool,
    /// The name of the upstream that has given it: that of the fallback, where the first one had nothing to say.
    pub upstream: Arc<str>,
}

/// Pieces of a body as they come. An error is the last of them.
pub type FetchedBody = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unfetched {
    /// The upstream blames the client, who gets this.
    #[error("refused: {}", .0.reason().unwrap_or("no reason given"))]
    Refused(Box<LocalReply>),
    /// No server could be asked, or none has answered.
    #[error(transparent)]
    Failed(Error),
}

/// An attempt that is told to its upstream once, when it is over.
struct Trial {
    forward: Arc<Forward>,
    server: Arc<str>,
    since: Instant,
    status: Option<StatusCode>,
    first_byte: Option<Duration>,
    failure: Option<Failure>,
    lease: Option<Lease>,
}

/// An exchange whose answer has begun.
struct Answering {
    session: HttpSession,
    peer: Box<HttpPeer>,
    connector: Arc<Connector>,
    trial: Trial,
}

/// How an attempt ended without an answer.
struct Broken {
    failure: Failure,
    is_unnoticed: bool,
}

// === impl Fetch ===

impl Fetch {
    /// Has no connections yet.
    pub fn new() -> Self {
        Self(Arc::new(Connector::new(None)))
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    ///
    /// What the client would be answered, had the gateway asked.
    pub async fn get(
        &self,
        forward: &Arc<Forward>,
        req: &RequestHead,
        cx: &mut Context,
    ) -> Result<Fetched, Unfetched> {
        self.send(forward, req, Bytes::new(), cx).await
    }

    /// Sends a request with this body. It is sent a second time where the method is idempotent (RFC 9110, 9.2.2) and the
    /// connection, which had been kept, turned out to be dead; and to the fallback of `forward`, if it has one.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn send(
        &self,
        forward: &Arc<Forward>,
        req: &RequestHead,
        body: Bytes,
        cx: &mut Context,
    ) -> Result<Fetched, Unfetched> {
        // Each question has attempts of its own.
        cx.attempts.before = cx.attempts.made;
        let fetched = self.send_to(forward, req, body.clone(), cx).await;
        let Some(fallback) = forward.fallback.as_ref().filter(|_| req.method.is_idempotent()) else {
            return fetched;
        };
        let falls_back = match &fetched {
            Ok(Fetched { head, .. }) => fallback.on_status.contains(&head.status),
            Err(Unfetched::Failed(_)) => true,
            Err(Unfetched::Refused(_)) => false,
        };
        if !falls_back {
            return fetched;
        }
        drop(fetched);
        cx.attempts.before = cx.attempts.made;
        self.send_to(&fallback.to, req, body, cx).await
    }

    async fn send_to(
        &self,
        forward: &Arc<Forward>,
        req: &RequestHead,
        body: Bytes,
        cx: &mut Context,
    ) -> Result<Fetched, Unfetched> {
        cx.forward = Some(forward.clone());
        let mut outgoing = outgoing(req, cx);
        if !body.is_empty() {
            outgoing.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        loop {
            let mut target = choose(forward, req, cx).await?;
            let attempt = forward.retry.per_try_timeout.map(|limit| limit.as_std());
            target.limit(&forward.timeouts, attempt, forward.timeouts.total.map(|limit| limit.as_std()));
            target.speak_for_nobody();
            let Target { http: peer, server, lease, .. } = target;
            let mut trial = Trial::of(forward.clone(), server, lease);
            match self.ask(&outgoing, &body, &peer, &mut trial, cx).await {
                Ok((session, mut head)) => {
                    cx.attempts.first_byte = trial.first_byte;
                    cx.attempts.upstream_status = trial.status;
                    let is_framed = head.version == Version::HTTP_2
                        || head.headers.contains_key(CONTENT_LENGTH)
                        || head.headers.contains_key(TRANSFER_ENCODING);
                    forward::end_hop(&mut head.headers);
                    head.headers.remove(TRANSFER_ENCODING);
                    let answering = Answering { session, peer, connector: self.0.clone(), trial };
                    let upstream = forward.upstream.name().clone();
                    return Ok(Fetched { head, body: answering.body(), is_framed, upstream });
                }
                Err(Broken { failure, is_unnoticed }) => {
                    trial.failure = Some(failure);
                    drop(trial);
                    if !(is_unnoticed && attempts_are_left(cx)) {
                        return Err(Unfetched::Failed(Error::Exchange(failure)));
                    }
                }
            }
        }
    }

    async fn ask(
        &self,
        req: &RequestHead,
        body: &Bytes,
        peer: &HttpPeer,
        trial: &mut Trial,
        cx: &mut Context,
    ) -> Result<(HttpSession, ResponseHead), Broken> {
        let timeouts = trial.forward.timeouts;
        let is_idempotent = req.method.is_idempotent();
        // Nothing was sent yet, so another attempt is always safe.
        let connected = self.0.get_http_session(peer).await;
        let (mut session, reused) = connected.map_err(|error| trial.broken(error, true))?;
        if !reused {
            cx.attempts.connect = Some(trial.since.elapsed());
        }
        let req = match session {
            HttpSession::H2(_) => for_http2(req.clone(), peer.is_tls())
                .ok_or(Broken { failure: Failure::InvalidRequest, is_unnoticed: false })?,
            HttpSession::H1(_) | HttpSession::Custom(()) => req.clone(),
        };
        session.set_read_timeout(Some(timeouts.first_byte.as_std()));
        session.set_write_timeout(Some(timeouts.send.as_std()));
        let asked = async {
            session.write_request_header(Box::new(req.into())).await?;
            if !body.is_empty() {
                session.write_request_body(body.clone(), false).await?;
            }
            session.finish_request_body().await?;
            loop {
                session.read_response_header().await?;
                match session.response_header() {
                    Some(head) if head.status.is_informational() => {}
                    head => return Ok(head.map(|head| ResponseHead::from(head.clone()))),
                }
            }
        };
        let head = asked.await.map_err(|error| {
            let broken = trial.broken(error, false);
            // A connection that was kept may have died in the pool.
            Broken { is_unnoticed: reused && is_idempotent && broken.failure == Failure::Closed, ..broken }
        })?;
        let head = head.ok_or(Broken { failure: Failure::InvalidResponse, is_unnoticed: false })?;
        session.set_read_timeout(Some(timeouts.read.as_std()));
        trial.status = Some(head.status);
        trial.first_byte = Some(trial.since.elapsed());
        Ok((session, head))
    }
}

impl Default for Fetch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").finish_non_exhaustive()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("status", &self.head.status).finish_non_exhaustive()
    }
}

// === impl Answering ===

impl Answering {
    fn body(self) -> FetchedBody {
        Box::pin(stream::unfold(Some(self), |answering| async {
            let mut answering = answering?;
            match answering.session.read_response_body().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(answering))),
                Ok(None) => {
                    answering.end().await;
                    None
                }
                Err(error) => {
                    let error = error.into_up();
                    answering.trial.failure = Some(Failure::of(&error));
                    Some((Err(cause_of(&error).into()), None))
                }
            }
        }))
    }

    /// The whole answer was read: the connection waits for the next request.
    async fn end(mut self) {
        self.trial.failure = None;
        if let HttpSession::H1(session) = &mut self.session {
            session.respect_keepalive();
        }
        let idle = self.peer.options.idle_timeout;
        self.connector.release_http_session(self.session, &*self.peer, idle).await;
    }
}

// === impl Trial ===

impl Trial {
    fn of(forward: Arc<Forward>, server: Arc<str>, lease: Option<Lease>) -> Self {
        Self {
            forward,
            server,
            since: Instant::now(),
            status: None,
            first_byte: None,
            // Whoever drops it without another word has lost interest.
            failure: Some(Failure::ClientClosed),
            lease,
        }
    }

    fn broken(&self, error: Box<pingora_error::Error>, is_unnoticed: bool) -> Broken {
        let error = error.into_up();
        let failure = Failure::of(&error);
        if failure == Failure::Tls {
            let what = || format!("no TLS: {}", cause_of(&error));
            self.forward.upstream.complain(&self.server, what);
        }
        Broken { failure, is_unnoticed }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let &mut Self { ref server, status, failure, first_byte, ref lease, since, .. } = self;
        let (elapsed, lease) = (first_byte.unwrap_or_else(|| since.elapsed()), lease.as_deref());
        self.forward.upstream.finished(&Attempt { server, status, failure, elapsed, lease });
    }
}

/// Has the upstream pick a server.
async fn choose(forward: &Forward, req: &RequestHead, cx: &mut Context) -> Result<Target, Unfetched> {
    cx.attempts.made += 1;
    let upstream = &forward.upstream;
    let name = || upstream.name().clone();
    let target = match upstream.inner().peer(req, cx).await {
        Ok(peer) => peer.into_target(),
        Err(Unavailable::Refused(reply)) => return Err(Unfetched::Refused(reply)),
        Err(Unavailable::NoHealthyServer { retry_after }) => {
            return Err(Unfetched::Failed(Error::NoHealthyServer { upstream: name(), retry_after }));
        }
        Err(Unavailable::Failed(source)) => {
            return Err(Unfetched::Failed(Error::NoPeer { upstream: name(), source }));
        }
    };
    cx.attempts.tried.push(target.server.clone());
    Ok(target)
}

/// The request as a server gets it.
fn outgoing(req: &RequestHead, cx: &Context) -> RequestHead {
    let mut req = req.clone();
    for name in forward::nominated(&req.headers) {
        req.headers.remove(name);
    }
    for name in &THIS_HOP {
        req.headers.remove(name);
    }
    if let Some(host) = cx.host_text().filter(|_| !req.headers.contains_key(HOST)) {
        req.headers.insert(HOST, host.clone());
    }
    forward::apply(&mut req.headers, cx);
    req.version = Version::HTTP_11;
    // HTTP/2 has told host and scheme in the target.
    req.uri = req.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
    req
}

/// Tells host and scheme in the target, as HTTP/2 does (RFC 9113, 8.3.1). `None` without a host that can be told.
fn for_http2(mut req: RequestHead, is_tls: bool) -> Option<RequestHead> {
    let host = req.headers.remove(HOST)?;
    let mut parts = std::mem::take(&mut req.uri).into_parts();
    parts.authority = Some(host.as_bytes().try_into().ok()?);
    parts.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    req.uri = Uri::from_parts(parts).ok()?;
    req.version = Version::HTTP_2;
    Some(req)
}
