//! Whether a request is sent a further time.
//!
//! | what has happened | what is repeated | the budget counts |
//! |---|---|---|
//! | no connection | every request | no |
//! | a kept connection had rested too long, nothing was sent | every request; it is not another attempt | no |
//! | the connection ended, and the server has not seen a byte | every request | no |
//! | a kept connection broke before the answer | what may be repeated | no |
//! | a new connection broke before the answer, or `per_try_timeout` was over | what may be repeated | yes |
//! | the answer has a status of `on_status` | what may be repeated | yes |
//! | anything else, or a part of an answer was passed on | nothing | – |
//!
//! What may be repeated: idempotent methods (RFC 9110, 9.2.2), requests with an `Idempotency-Key`, all where the route says
//! so. In each case the body has to be there still, and no filter that judges bodies may have seen a part of it.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use http::header::HeaderName;
use http::{HeaderMap, StatusCode};
use pingora_core::protocols::{ALPN, Digest};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error as PingoraError, ErrorType, Result};
use pingora_proxy::Session;

use super::{deadline, exchange, exit, fallback};
use crate::context::Next;
use crate::error::Failure;
use crate::head::RequestHead;
use crate::service::Forward;
use crate::upstream::Wire;
use crate::{Context, Route};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// The name of errors that end an attempt for another one to begin.
const AGAIN: ErrorType = ErrorType::Custom("again");
/// A server keeps a connection a little less long than it says, as seen from here.
const MARGIN: Duration = Duration::from_secs(1);
/// So many kept connections are given up for one request; then it gets a new one.
const STALE: u8 = 3;
/// So many informational answers may come before the real one. HTTP knows three that make sense.
const INFORMATIONAL: u8 = 16;

/// A request that may have to be sent a further time.
pub(crate) enum Sent<'a> {
    /// A client's, which Pingora passes on.
    Through(&'a Session),
    /// One of ours, with a body that is there.
    Whole(&'a RequestHead),
}

// === impl Sent ===

impl Sent<'_> {
    fn head(&self) -> &RequestHead {
        match self {
            Self::Through(session) => session.req_header(),
            Self::Whole(head) => head,
        }
    }

    /// Whether all of it is still there as it came.
    fn is_whole(&self, cx: &Context) -> bool {
        let Self::Through(session) = self else { return true };
        let was_judged = cx.whole_body.is_none() && cx.entered.iter().any(Route::judges_requests);
        !was_judged && !session.as_ref().retry_buffer_truncated()
    }
}

/// The attempt has been given a connection. One that has rested too long is not used: the server may close it at any
/// moment. A request that cannot be repeated takes only what has rested half as long as others may.
pub(crate) fn connected(
    sent: &Sent<'_>,
    cx: &mut Context,
    peer: &HttpPeer,
    reused: bool,
    digest: Option<&Digest>,
    now: Instant,
) -> Result<()> {
    exchange::connected(cx, reused, now);
    // Where HTTP/2 is spoken, or may be, the connection is not this request's alone.
    let is_own = peer.options.alpn == ALPN::H1;
    let Some(wire) = digest.filter(|_| is_own).and_then(Wire::of) else { return Ok(()) };
    let may_be_repeated = may_be_repeated(sent.head(), cx);
    if reused {
        let longest = peer.options.idle_timeout.unwrap_or(Duration::MAX);
        if wire.is_stale(if may_be_repeated { longest } else { longest / 2 }, now) {
            cx.attempts.stale += 1;
            cx.attempts.next = Next::Same(same(peer, cx.attempts.stale));
            return Err(PingoraError::new_up(AGAIN));
        }
    }
    if !may_be_repeated {
        wire.begin();
    }
    if let Some(running) = &mut cx.attempts.running {
        running.wire = Some(wire);
    }
    Ok(())
}

/// The same peer again; at last as one that no connection has been kept for.
fn same(peer: &HttpPeer, stale: u8) -> Box<HttpPeer> {
    let mut peer = Box::new(peer.clone());
    if stale >= STALE {
        peer.group_key ^= fastrand::u64(1..);
        // Nobody will look for it under that key.
        peer.options.idle_timeout = Some(Duration::ZERO);
    }
    peer
}

/// Waits, where it is the last server's turn again.
pub(super) async fn pause(cx: &Context, forward: &Forward, server: &str) {
    let is_again = cx.attempts.tried.iter().any(|tried| **tried == *server);
    if !is_again && !matches!(cx.attempts.next, Next::Rested) {
        return;
    }
    let longest = forward.retry.longest_wait(cx.attempts.made);
    let wait = longest.mul_f64(fastrand::f64());
    tokio::time::sleep(deadline::left(cx).map_or(wait, |left| wait.min(left))).await;
}

/// Whether another head follows this one, of which so many have come before. Somewhere there has to be an end to that.
pub(crate) fn is_followed(status: StatusCode, before: &mut u8) -> Result<bool> {
    if !status.is_informational() {
        return Ok(false);
    }
    *before += 1;
    // Upgrades do not come this way, so nobody has asked for another protocol.
    if status == StatusCode::SWITCHING_PROTOCOLS || *before > INFORMATIONAL {
        let error = PingoraError::explain(ErrorType::InvalidHTTPHeader, "an answer without an end");
        return Err(error.into_up());
    }
    Ok(true)
}

/// The head of an answer is there. An `Err` ends the attempt for another one.
pub(crate) fn answered(
    sent: &Sent<'_>,
    cx: &mut Context,
    status: StatusCode,
    headers: &HeaderMap,
    now: Instant,
) -> Result<()> {
    if let Some(wire) = cx.attempts.running.as_ref().and_then(|running| running.wire.as_ref()) {
        wire.rest(now);
        if let Some(time) = headers.get(&KEEP_ALIVE).and_then(|value| kept_for(value.to_str().ok()?)) {
            wire.keep_for(time.saturating_sub(MARGIN));
        }
    }
    let is_asked_for = cx.forward.as_ref().is_some_and(|forward| forward.retry.is_asked_for(status));
    if !is_asked_for && !fallback::is_asked_for(cx, status) {
        return Ok(());
    }
    if !may_be_repeated(sent.head(), cx) || !sent.is_whole(cx) {
        return Ok(());
    }
    if is_asked_for && exchange::attempts_are_left(cx) && is_within_budget(cx) {
        cx.attempts.next = Next::Rested;
        return Err(PingoraError::new_up(AGAIN));
    }
    if fallback::is_asked_for(cx, status) {
        cx.finish_attempt(None);
        fallback::turn(cx);
        return Err(PingoraError::new_up(AGAIN));
    }
    Ok(())
}

/// The exchange broke off. Tells whether another attempt follows.
pub(crate) fn interrupted(
    sent: &Sent<'_>,
    cx: &mut Context,
    mut error: Box<PingoraError>,
    reused: bool,
) -> Box<PingoraError> {
    if *error.etype() == AGAIN {
        if matches!(cx.attempts.next, Next::Rested) {
            cx.finish_attempt(None);
        }
        error.set_retry(true);
        return error;
    }
    let failure = exit::failure(cx, &error);
    let failure = deadline::judge(cx, failure);
    exchange::complain(cx, &error);
    let is_open = cx.attempts.upstream_status.is_none() && sent.is_whole(cx);
    let is_repeated = is_open
        && exchange::attempts_are_left(cx)
        && calls_for_another(sent.head(), cx, &error, failure, reused);
    let falls_back = !is_repeated
        && is_open
        && fallback::is_mended(cx, failure)
        && (may_be_repeated(sent.head(), cx) || was_unseen(cx, &error));
    cx.finish_attempt(Some(failure));
    let goes_on = is_repeated || (falls_back && fallback::turn(cx));
    if goes_on && let Some(connection) = &cx.connection {
        connection.mend();
    }
    error.set_retry(goes_on);
    error
}

fn calls_for_another(
    req: &RequestHead,
    cx: &mut Context,
    error: &PingoraError,
    failure: Failure,
    reused: bool,
) -> bool {
    let may_be_repeated = may_be_repeated(req, cx);
    let is_free = failure == Failure::Closed && (was_unseen(cx, error) || (may_be_repeated && reused));
    let is_late = failure == Failure::ReadTimeout && was_tried_long_enough(cx);
    let counts = !is_free && may_be_repeated && (failure == Failure::Closed || is_late);
    if !is_free && !counts {
        return false;
    }
    if counts {
        return is_within_budget(cx);
    }
    cx.forward.iter().for_each(|forward| forward.upstream.repeated(true));
    true
}

/// Whether it is `per_try_timeout` that is over, which is there to have another server asked.
fn was_tried_long_enough(cx: &Context) -> bool {
    let since = cx.attempts.running.as_ref().map(|running| running.since.elapsed());
    let limit = cx.forward.as_deref().and_then(deadline::of_attempt);
    since.zip(limit).is_some_and(|(since, limit)| since + deadline::GRAIN >= limit)
}

/// Whether the server cannot have seen the request: it says so itself (RFC 9113, 6.8 and 8.7), or TCP does. A reset does
/// not count, see [`Wire`].
fn was_unseen(cx: &Context, error: &PingoraError) -> bool {
    let h2 = error.root_cause().downcast_ref::<h2::Error>();
    if let Some(h2) = h2 {
        let is_refused = h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM);
        let is_going = h2.is_go_away() && h2.reason() == Some(h2::Reason::NO_ERROR);
        return h2.is_remote() && (is_refused || is_going);
    }
    let io = error.root_cause().downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let has_ended = *error.etype() == ErrorType::ConnectionClosed
        || matches!(error.etype(), ErrorType::ReadError | ErrorType::WriteError)
            && matches!(io, Some(ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe));
    let wire = cx.attempts.running.as_ref().and_then(|running| running.wire.as_ref());
    has_ended && wire.is_some_and(|wire| wire.was_unseen())
}

/// Whether a server may get a request twice.
fn may_be_repeated(req: &RequestHead, cx: &Context) -> bool {
    req.method.is_idempotent()
        || cx.forward.as_ref().is_some_and(|forward| forward.retry.non_idempotent)
        || req.headers.contains_key(&IDEMPOTENCY_KEY)
}

fn is_within_budget(cx: &mut Context) -> bool {
    let Some(forward) = &cx.forward else { return false };
    let repetition = forward.upstream.budget().repeat(Instant::now(), forward.retry.budget);
    forward.upstream.repeated(repetition.is_some());
    let is_granted = repetition.is_some();
    // Whoever repeats for the second time keeps the one place.
    cx.attempts.repetition = repetition.or(cx.attempts.repetition.take());
    is_granted
}

/// `Keep-Alive: timeout=5, max=1000`, as servers write it (RFC 2068, 19.7.1.1).
fn kept_for(text: &str) -> Option<Duration> {
    text.split(',').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        is_timeout.then(|| value.trim().trim_matches('"').parse().ok().map(Duration::from_secs)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_server_keeps_a_connection_is_read() {
        let rows = [
            ("timeout=5", Some(5)),
            ("timeout=5, max=1000", Some(5)),
            ("max=1000,Timeout = 75", Some(75)),
            ("timeout=\"3\"", Some(3)),
            ("timeout=0", Some(0)),
            ("max=100", None),
            ("timeout=-1", None),
            ("timeout", None),
            ("", None),
        ];
        for (text, seconds) in rows {
            assert_eq!(kept_for(text), seconds.map(Duration::from_secs), "{text:?}");
        }
    }
}
