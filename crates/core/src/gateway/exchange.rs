//! The exchange with an upstream: attempts, bodies, responses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{EXPECT, SET_COOKIE, TRANSFER_ENCODING, UPGRADE};
use http::{StatusCode, Version};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error as PingoraError, ErrorType, Result};
use pingora_proxy::Session;
use tokio::time::timeout;

use super::exit;
use crate::context::Running;
use crate::error::{Failure, cause_of};
use crate::head::ResponseHead;
use crate::service::Forward;
use crate::upstream::Target;
use crate::{Context, Error, Flow, LocalReply, Phases, Unavailable};

/// The name of errors that stand for something in the context's verdict.
const DECIDED: ErrorType = ErrorType::Custom("decided");

/// The request is to go to an upstream.
pub(super) async fn begin(
    session: &mut Session,
    cx: &mut Context,
    forward: Arc<Forward>,
    body_timeout: Duration,
) -> Result<()> {
    let req = session.req_header_mut();
    // No service has taken the upgrade on, so it is not offered to the upstream either (RFC 9110, 7.8).
    if req.headers.contains_key(UPGRADE) {
        req.remove_header(&UPGRADE);
    }
    cx.forward = Some(forward);
    if cx.entered.iter().any(|route| route.has(Phases::WHOLE_REQUEST_BODY)) {
        Box::pin(read_ahead(session, cx, body_timeout)).await?;
    }
    Ok(())
}

/// Reads the request's body into the buffer that Pingora keeps for a second attempt, and shows it to the filters.
async fn read_ahead(session: &mut Session, cx: &mut Context, body_timeout: Duration) -> Result<()> {
    let req = session.req_header_mut();
    if req.remove_header(&EXPECT).is_some() && req.version == Version::HTTP_11 {
        session.write_continue_response().await?;
    }
    session.enable_retry_buffering();
    let mut length = 0;
    // Pingora keeps no time for the body of an HTTP/2 request.
    while let Some(piece) = timeout(body_timeout, session.read_request_body())
        .await
        .map_err(|_| PingoraError::new(ErrorType::ReadTimedout))
        .and_then(|read| read)
        .map_err(|error| error.into_down())?
    {
        length += piece.len() as u64;
        if session.as_ref().retry_buffer_truncated() || length > cx.body_limit() {
            return Err(decided_on(cx, too_large()));
        }
    }
    let mut body = session.as_ref().get_retry_buffer();
    show(cx, &mut body, true)?;
    cx.whole_body = Some(body);
    Ok(())
}

/// Picks the server for the next attempt.
pub(crate) async fn next_peer(session: &mut Session, cx: &mut Context) -> Result<Box<HttpPeer>> {
    let Some(forward) = cx.forward.clone() else {
        return Err(decided(cx, Error::Exchange(Failure::Internal)));
    };
    cx.attempts.made += 1;
    (cx.attempts.body, cx.attempts.pace, cx.attempts.asked) = (0, None, false);
    let upstream = &forward.upstream;
    let peer = match upstream.inner().peer(session.req_header(), cx).await {
        Ok(peer) => peer,
        Err(Unavailable::NoHealthyServer { retry_after }) => {
            return Err(decided(
                cx,
                Error::NoHealthyServer { upstream: upstream.name().clone(), retry_after },
            ));
        }
        Err(Unavailable::Failed(source)) => {
            return Err(decided(cx, Error::NoPeer { upstream: upstream.name().clone(), source }));
        }
        Err(Unavailable::Refused(reply)) => {
            cx.verdict.reply = Some(reply);
            return Err(PingoraError::new_in(DECIDED));
        }
    };
    let mut target = peer.into_target();
    target.limit(&forward.timeouts);
    if target.announces() {
        let destination = session.server_addr().and_then(|address| address.as_inet()).copied();
        target.announce(cx.client_socket(), destination);
    }
    let Target { http, server, lease, cookie, .. } = target;
    cx.attempts.tried.push(server.clone());
    cx.attempts.running = Some(Running { server, since: Instant::now(), lease, cookie });
    Ok(http)
}

/// The server could not be connected to. Nothing was sent, so another attempt is always safe.
pub(crate) fn not_connected(cx: &mut Context, mut error: Box<PingoraError>) -> Box<PingoraError> {
    let failure = Failure::of(&error);
    complain(cx, &error);
    cx.finish_attempt(Some(failure));
    error.set_retry(attempts_are_left(cx));
    error
}

/// Other failures are told well enough by their reason. What TLS does not like about a server is in the error alone.
pub(crate) fn complain(cx: &Context, error: &PingoraError) {
    let (forward, running) = (&cx.forward, &cx.attempts.running);
    if let (Failure::Tls, Some(forward), Some(running)) = (Failure::of(error), forward, running) {
        forward.upstream.complain(&running.server, || format!("no TLS: {}", cause_of(error)));
    }
}

/// A connection to the server is there.
pub(crate) fn connected(cx: &mut Context, reused: bool) {
    let Some(running) = &cx.attempts.running else {
        return;
    };
    if !reused {
        cx.attempts.connect = Some(running.since.elapsed());
    }
}

/// The request has been sent as far as it goes: from now on the upstream is to answer.
///
/// Pingora has one timer for all reads from an upstream, so the first byte's deadline is kept by the client's stream.
/// Not on HTTP/2, where that stream belongs to other requests too.
fn await_answer(cx: &Context) {
    if cx.request_line().version >= Version::HTTP_2 || cx.attempts.first_byte.is_some() {
        return;
    }
    if let (Some(connection), Some(forward)) = (&cx.connection, &cx.forward) {
        connection.give_up_after(forward.timeouts.first_byte.as_std());
    }
}

/// The head of the response is there.
pub(crate) fn answered(cx: &mut Context, status: StatusCode) {
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    if let Some(connection) = &cx.connection {
        connection.never_give_up();
    }
    let now = Instant::now();
    cx.attempts.upstream_status = Some(status);
    cx.attempts.first_byte = cx.attempts.running.as_ref().map(|running| now - running.since);
    cx.verdict.answered = Some(now - cx.started());
}

/// The exchange broke off. Another attempt is made only where it cannot be noticed: the connection had been kept
/// alive and was dead, the method is idempotent (RFC 9110, 9.2.2), and no filter has seen a part of the body.
pub(super) fn interrupted(
    session: &mut Session,
    cx: &mut Context,
    mut error: Box<PingoraError>,
    reused: bool,
) -> Box<PingoraError> {
    let failure = exit::failure(cx, &error);
    complain(cx, &error);
    cx.finish_attempt(Some(failure));
    let replayable = session.req_header().method.is_idempotent()
        && !session.as_ref().retry_buffer_truncated()
        && !cx.entered.iter().any(|route| route.has(Phases::REQUEST_BODY));
    if replayable && attempts_are_left(cx) {
        error.retry.decide_reuse(reused);
    } else {
        error.set_retry(false);
    }
    error
}

/// Gives up a client of HTTP/2 that sends its body in crumbs. The stream below carries other requests too, so it is seen
/// here; time in which the upstream takes nothing counts as well, but at such a pace that makes no difference.
pub(super) fn keep_pace(cx: &mut Context, bytes: usize, window: Duration, rate: u64) -> Result<()> {
    if cx.request_line().version < Version::HTTP_2 {
        return Ok(());
    }
    let (since, moved) = cx.attempts.pace.get_or_insert_with(|| (Instant::now(), 0));
    *moved += bytes as u64;
    if since.elapsed() < window {
        return Ok(());
    }
    let is_too_slow = u128::from(*moved) * 1000 < u128::from(rate) * window.as_millis();
    cx.attempts.pace = None;
    if is_too_slow { Err(decided(cx, Error::Exchange(Failure::ClientTimeout))) } else { Ok(()) }
}

/// A piece of the request's body is on its way to the upstream.
pub(super) fn request_body(cx: &mut Context, piece: &mut Option<Bytes>, end: bool) -> Result<()> {
    if end {
        cx.attempts.asked = true;
        await_answer(cx);
    }
    cx.attempts.body += piece.as_ref().map_or(0, |piece| piece.len() as u64);
    if cx.attempts.body > cx.body_limit() {
        return Err(decided_on(cx, too_large()));
    }
    if let Some(body) = &cx.whole_body {
        // The filters have seen it, and this is what they have made of it.
        piece.clone_from(body);
        return Ok(());
    }
    show(cx, piece, end)
}

/// Shows a piece of the request's body to the filters that want it.
fn show(cx: &mut Context, piece: &mut Option<Bytes>, end: bool) -> Result<()> {
    for index in 0..cx.entered.len() {
        if !cx.entered[index].has(Phases::REQUEST_BODY) {
            continue;
        }
        let route = cx.entered[index].clone();
        match route.request_body(piece, end, cx) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Reply(reply)) => return Err(decided_on(cx, reply)),
            Err(error) => return Err(decided(cx, error)),
        }
    }
    // To Pingora no piece means the end of the body, and a filter that holds one back means "not yet".
    if !end && piece.is_none() {
        *piece = Some(Bytes::new());
    }
    Ok(())
}

/// Passes the head of a response through the filters, last one first.
pub(crate) fn response(version: Version, res: &mut ResponseHead, cx: &mut Context) -> Result<()> {
    if res.status.is_informational() && res.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    // An HTTP/1.0 client knows no chunks: its response ends with the connection (RFC 9112, 6.1).
    if version < Version::HTTP_11 {
        res.headers.remove(TRANSFER_ENCODING);
    }
    // A reply of our own comes when the attempt is over, so this is an upstream's.
    if let Some(cookie) = cx.attempts.running.as_mut().and_then(|running| running.cookie.take()) {
        res.headers.append(SET_COOKIE, cookie);
    }
    for index in (0..cx.entered.len()).rev() {
        if cx.entered[index].has(Phases::RESPONSE) {
            let route = cx.entered[index].clone();
            route.response(res, cx).map_err(|error| decided(cx, error))?;
        }
    }
    Ok(())
}

/// Shows a piece of the response's body to the filters that want it.
pub(super) fn response_body(cx: &mut Context, piece: &mut Option<Bytes>, end: bool) -> Result<()> {
    for index in (0..cx.entered.len()).rev() {
        if cx.entered[index].has(Phases::RESPONSE_BODY) {
            let route = cx.entered[index].clone();
            route.response_body(piece, end, cx).map_err(|error| decided(cx, error))?;
        }
    }
    Ok(())
}

pub(crate) fn attempts_are_left(cx: &Context) -> bool {
    cx.forward.as_ref().is_some_and(|forward| cx.attempts.made < forward.attempts)
}

/// The answer to a body that is larger than it may be.
pub(super) fn too_large() -> LocalReply {
    LocalReply::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
}

/// Keeps a reply for `fail_to_proxy`, and gives Pingora an error that stands for it.
fn decided_on(cx: &mut Context, reply: LocalReply) -> Box<PingoraError> {
    cx.verdict.reply = Some(Box::new(reply));
    PingoraError::new_in(DECIDED)
}

/// Keeps an error for `fail_to_proxy`, which turns it into a reply, and gives Pingora one that stands for it.
fn decided(cx: &mut Context, error: Error) -> Box<PingoraError> {
    cx.verdict.error = Some(error);
    PingoraError::new_in(DECIDED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::NotFound;
    use crate::{BoxError, Filter, Route};

    /// Holds every piece back.
    struct Miser;

    impl Filter for Miser {
        fn phases(&self) -> Phases {
            Phases::REQUEST_BODY
        }

        fn request_body(
            &self,
            piece: &mut Option<Bytes>,
            _: bool,
            _: &mut Context,
        ) -> Result<Flow, BoxError> {
            *piece = None;
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn a_piece_that_is_held_back_is_not_the_end_of_the_body() {
        let rows = [
            (Some("a"), false, Some(""), "more is to come, and Pingora takes no piece for the end"),
            (Some("a"), true, None, "the end, with nothing"),
            (None, true, None, "the end by itself"),
        ];
        for (piece, end, passed, row) in rows {
            let mut cx = Context::unknown();
            cx.entered.push(Route::builder("miser", NotFound).filter("miser", Miser).build());
            let mut piece = piece.map(Bytes::from);
            request_body(&mut cx, &mut piece, end).unwrap();
            assert_eq!(piece.as_deref(), passed.map(str::as_bytes), "{row}");
        }
    }
}
