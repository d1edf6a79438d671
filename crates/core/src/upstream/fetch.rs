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
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{StatusCode, Version};
use pingora_error::{Error as PingoraError, ErrorType, Result};

use super::call::{Call, Calls, Waits};
use super::{Attempt, Repetition};
use crate::context::Running;
use crate::error::{Failure, cause_of};
use crate::gateway::retry::Sent;
use crate::gateway::{deadline, exchange, exit, retry};
use crate::head::{RequestHead, ResponseHead};
use crate::service::Forward;
use crate::{BoxError, Context, Error, LocalReply, forward};

/// Asks upstreams. Make one when a module is built, and keep it over reloads: it has the connections.
#[derive(Debug)]
pub struct Fetch(Calls);

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

/// Who waits for an answer, and may stop to: then the running attempt is over, and nobody is to blame.
struct Waiting<'c>(&'c mut Context);

/// An attempt whose answer has begun. It is told to its upstream once, when it is over.
struct Answered {
    forward: Arc<Forward>,
    running: Running,
    status: StatusCode,
    first_byte: Duration,
    failure: Option<Failure>,
    deadline: Option<Instant>,
    _repetition: Option<Repetition>,
}

// === impl Fetch ===

impl Fetch {
    /// Has no connections yet.
    pub fn new() -> Self {
        Self(Calls::new())
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

    /// Sends a request with this body. It is sent a further time, and to the fallback of `forward`, where the gateway would
    /// do that.
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
        let Waiting(cx) = &mut Waiting(cx);
        exchange::aim(cx, forward.clone(), &req.headers);
        loop {
            match self.attempt(req, &body, cx).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) if error.retry() => {}
                Err(error) => return Err(Unfetched::because(&error, cx)),
            }
        }
    }

    async fn attempt(&self, req: &RequestHead, body: &Bytes, cx: &mut Context) -> Result<Fetched> {
        // All of it is there.
        cx.attempts.asked = true;
        let peer = exchange::next_server(req, cx, |target, _| target.speak_for_nobody()).await?;
        let mut call = self.0.open(peer).await.map_err(|error| exchange::not_connected(cx, error))?;
        match ask(&mut call, req, body, cx).await {
            Ok((head, answered)) => Ok(Fetched::of(head, answered, call)),
            Err(error) => Err(retry::interrupted(&Sent::Whole(req), cx, error, call.is_reused)),
        }
    }
}

impl Default for Fetch {
    fn default() -> Self {
        Self::new()
    }
}

/// Asks one server. Once it has answered, the attempt belongs to the answer.
async fn ask(
    call: &mut Call,
    req: &RequestHead,
    body: &Bytes,
    cx: &mut Context,
) -> Result<(ResponseHead, Answered)> {
    let sent = Sent::Whole(req);
    retry::connected(&sent, cx, call.peer(), call.is_reused, call.digest(), Instant::now())?;
    let timeouts = cx.forward.as_ref().map(|forward| forward.timeouts).unwrap_or_default();
    let waits = Waits {
        send: timeouts.send.as_std(),
        first_byte: timeouts.first_byte.as_std(),
        read: timeouts.read.as_std(),
    };
    let asking = call.ask(outgoing(req, cx), body.clone(), waits);
    let head = in_time(deadline::due(cx), asking).await?;
    let now = Instant::now();
    let since = cx.attempts.running.as_ref().map(|running| now.saturating_duration_since(running.since));
    (cx.attempts.upstream_status, cx.attempts.first_byte) = (Some(head.status), since);
    retry::answered(&sent, cx, head.status, &head.headers, now)?;
    let answered = Answered::of(cx).ok_or_else(|| PingoraError::new_in(ErrorType::InternalError))?;
    Ok((head, answered))
}

/// Ends what takes longer.
async fn in_time<T>(due: Option<Instant>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(due) = due else { return work.await };
    let late = |_| Err(PingoraError::new_up(ErrorType::ReadTimedout));
    tokio::time::timeout_at(due.into(), work).await.unwrap_or_else(late)
}

/// The request as a server gets it.
fn outgoing(req: &RequestHead, cx: &Context) -> RequestHead {
    let mut req = req.clone();
    for name in forward::nominated(&req.headers) {
        req.headers.remove(name);
    }
    forward::begin_hop(&mut req.headers);
    if let Some(host) = cx.host_text().filter(|_| !req.headers.contains_key(HOST)) {
        req.headers.insert(HOST, host.clone());
    }
    forward::apply(&mut req.headers, cx);
    req
}

// === impl Fetched ===

impl Fetched {
    fn of(mut head: ResponseHead, answered: Answered, call: Call) -> Self {
        let is_framed = head.version == Version::HTTP_2
            || head.headers.contains_key(CONTENT_LENGTH)
            || head.headers.contains_key(TRANSFER_ENCODING);
        forward::end_hop(&mut head.headers);
        head.headers.remove(TRANSFER_ENCODING);
        let upstream = answered.forward.upstream.name().clone();
        Self { head, body: answered.body(call), is_framed, upstream }
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("status", &self.head.status).finish_non_exhaustive()
    }
}

// === impl Unfetched ===

impl Unfetched {
    fn because(error: &PingoraError, cx: &mut Context) -> Self {
        let failure = exit::failure(cx, error);
        cx.attempts.late = None;
        match (cx.verdict.reply.take(), cx.verdict.error.take()) {
            (Some(reply), _) => Self::Refused(reply),
            (None, error) => Self::Failed(error.unwrap_or(Error::Exchange(failure))),
        }
    }
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.finish_attempt(Some(Failure::ClientClosed));
    }
}

// === impl Answered ===

impl Answered {
    fn of(cx: &mut Context) -> Option<Self> {
        let attempts = &mut cx.attempts;
        Some(Self {
            forward: cx.forward.clone()?,
            status: attempts.upstream_status?,
            first_byte: attempts.first_byte?,
            running: attempts.running.take()?,
            // Whoever drops it without another word has lost interest.
            failure: Some(Failure::ClientClosed),
            deadline: attempts.deadline,
            _repetition: attempts.repetition.take(),
        })
    }

    /// The pieces of the body. At their end the connection waits for the next request.
    fn body(self, call: Call) -> FetchedBody {
        Box::pin(stream::unfold(Some((self, call)), |going| async {
            let (mut answered, mut call) = going?;
            match in_time(answered.deadline, call.piece()).await {
                Ok(Some(piece)) => Some((Ok(piece), Some((answered, call)))),
                Ok(None) => {
                    answered.failure = None;
                    if let Some(wire) = &answered.running.wire {
                        wire.rest(Instant::now());
                    }
                    call.rest().await;
                    None
                }
                Err(error) => {
                    let is_over = answered.deadline.is_some_and(|due| due <= Instant::now());
                    answered.failure = Some(if is_over { Failure::Overdue } else { Failure::of(&error) });
                    Some((Err(cause_of(&error).into()), None))
                }
            }
        }))
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        let &mut Self { ref forward, ref running, status, first_byte: elapsed, failure, .. } = self;
        let (server, status, lease) = (&running.server, Some(status), running.lease.as_deref());
        forward.upstream.finished(&Attempt { server, status, failure, elapsed, lease });
    }
}
