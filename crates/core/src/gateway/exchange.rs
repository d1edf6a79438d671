//! The exchange with an upstream: attempts, bodies, responses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, SET_COOKIE, UPGRADE};
use http::{HeaderMap, StatusCode, Version};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error as PingoraError, ErrorType, Result};
use pingora_proxy::Session;
use tokio::time::timeout;

use super::{deadline, fallback, framing, retry};
use crate::context::{Next, Running};
use crate::error::{Failure, cause_of};
use crate::head::{self, RequestHead, ResponseHead};
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
    aim(cx, forward, &req.headers);
    if cx.entered.iter().any(|route| route.has(Phases::WHOLE_REQUEST_BODY)) {
        Box::pin(read_ahead(session, cx, body_timeout)).await?;
    }
    Ok(())
}

/// This is where the request goes from now on. What was tried elsewhere before does not count.
pub(crate) fn aim(cx: &mut Context, forward: Arc<Forward>, headers: &HeaderMap) {
    deadline::set(cx, &forward, headers);
    forward.upstream.budget().request(cx.started());
    cx.forward = Some(forward);
    cx.attempts.before = cx.attempts.made;
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
    let body = session.as_ref().get_retry_buffer().unwrap_or_default();
    let before = body.len();
    let body = show_whole(cx, body).await?;
    let after = body.as_ref().map_or(0, Bytes::len);
    let req = session.req_header_mut();
    if after != before && req.headers.contains_key(CONTENT_LENGTH) {
        req.insert_header(CONTENT_LENGTH, after)?;
    }
    cx.whole_body = Some(body);
    Ok(())
}

/// Shows all of the request's body to the filters that want it. The answer is what they have made of it.
async fn show_whole(cx: &mut Context, mut body: Bytes) -> Result<Option<Bytes>> {
    for index in 0..cx.entered.len() {
        if !cx.entered[index].reads_requests() {
            continue;
        }
        let route = cx.entered[index].clone();
        match route.whole_request_body(&mut body, cx).await {
            Ok(Flow::Continue) => {}
            Ok(Flow::Reply(reply)) => return Err(decided_on(cx, reply)),
            Err(error) => return Err(decided(cx, error)),
        }
    }
    Ok(Some(body).filter(|body| !body.is_empty()))
}

/// Picks the server for the next attempt to pass a client's request on.
pub(crate) async fn next_peer(session: &mut Session, cx: &mut Context) -> Result<Box<HttpPeer>> {
    (cx.attempts.body, cx.attempts.pace, cx.attempts.asked) = (0, None, false);
    if cx.forward.as_ref().is_some_and(|forward| forward.upstream.inner().has_queue()) {
        return Box::pin(next_in_turn(session, cx)).await;
    }
    let session = &*session;
    let introduce = |target: &mut Target, cx: &Context| introduce(target, cx, || destination(session));
    next_server(session.req_header(), cx, introduce).await
}

/// The same where a request may have to wait for its turn: a client that leaves meanwhile gives its turn up.
async fn next_in_turn(session: &mut Session, cx: &mut Context) -> Result<Box<HttpPeer>> {
    let destination = destination(session);
    // What a client of HTTP/1 sends now is its body, and not to be read yet.
    let is_silent = session.is_body_done();
    // Lent from the session, which is watched.
    let req = head::take_request(session.req_header_mut());
    let peer = tokio::select! {
        biased;
        peer = next_server(&req, cx, |target, cx| introduce(target, cx, || destination)) => peer,
        left = departure(session, is_silent) => Err(left),
    };
    *session.req_header_mut() = req.into();
    peer
}

/// Waits until the client has left, if that can be seen.
async fn departure(session: &mut Session, is_silent: bool) -> Box<PingoraError> {
    let session = &mut session.downstream_session;
    let why = if let Some(stream) = session.watch_h2_stream_close() {
        stream.await.map_or_else(|error| error.to_string(), |reason| reason.to_string())
    } else if is_silent {
        session.read_body_or_idle(true).await.map_or_else(|error| error.to_string(), |_| String::new())
    } else {
        std::future::pending().await
    };
    PingoraError::explain(ErrorType::ConnectionClosed, why).into_down()
}

/// Tells a server that wants to know it who the client is.
fn introduce(target: &mut Target, cx: &Context, destination: impl FnOnce() -> Option<SocketAddr>) {
    if target.announces() {
        target.announce(cx.client_socket(), destination());
    }
}

/// Where the client has connected to.
fn destination(session: &Session) -> Option<SocketAddr> {
    session.server_addr().and_then(|address| address.as_inet()).copied()
}

/// Picks the server for the next attempt, which is begun. `introduce` has it told who is speaking.
pub(crate) async fn next_server(
    req: &RequestHead,
    cx: &mut Context,
    introduce: impl FnOnce(&mut Target, &Context),
) -> Result<Box<HttpPeer>> {
    if let Next::Same(peer) = &mut cx.attempts.next {
        let peer = peer.clone();
        cx.attempts.next = Next::Any;
        return Ok(peer);
    }
    cx.attempts.made += 1;
    (cx.attempts.upstream_status, cx.attempts.first_byte, cx.attempts.late) = (None, None, None);
    cx.attempts.informational = 0;
    let (forward, mut target) = choose(req, cx).await?;
    if cx.attempts.made > 1 {
        retry::pause(cx, &forward, &target.server).await;
        cx.attempts.next = Next::Any;
    }
    if deadline::is_over(cx) {
        return Err(decided(cx, Error::Exchange(Failure::Overdue)));
    }
    let (attempt, total) = (deadline::of_attempt(&forward), deadline::left(cx));
    target.limit(&forward.timeouts, attempt, total);
    introduce(&mut target, cx);
    let Target { http, server, lease, cookie, kept_cookie, .. } = target;
    cx.attempts.tried.push(server.clone());
    let since = Instant::now();
    cx.attempts.running =
        Some(Running { server, since, lease, cookie, kept_cookie, wire: None, watch: None });
    Ok(http)
}

/// Has the upstream pick a server, or its fallback if there is none.
async fn choose(req: &RequestHead, cx: &mut Context) -> Result<(Arc<Forward>, Target)> {
    loop {
        let Some(forward) = cx.forward.clone() else {
            return Err(decided(cx, Error::Exchange(Failure::Internal)));
        };
        let upstream = forward.upstream.name();
        let error = match forward.upstream.inner().peer(req, cx).await {
            Ok(peer) => return Ok((forward, peer.into_target())),
            Err(Unavailable::Refused(reply)) => return Err(decided_on(cx, *reply)),
            Err(Unavailable::NoHealthyServer { retry_after }) => {
                Error::NoHealthyServer { upstream: upstream.clone(), retry_after }
            }
            Err(Unavailable::Failed(source)) => Error::NoPeer { upstream: upstream.clone(), source },
        };
        if !fallback::turn(cx) {
            return Err(decided(cx, error));
        }
    }
}

/// The server could not be connected to. Nothing was sent, so another attempt is always safe.
pub(crate) fn not_connected(cx: &mut Context, mut error: Box<PingoraError>) -> Box<PingoraError> {
    let failure = deadline::judge(cx, Failure::of(&error));
    complain(cx, &error);
    cx.finish_attempt(Some(failure));
    let is_repeated = attempts_are_left(cx) && failure != Failure::Overdue;
    if is_repeated && let Some(forward) = &cx.forward {
        forward.upstream.repeated(true);
    }
    error.set_retry(is_repeated || (fallback::is_mended(cx, failure) && fallback::turn(cx)));
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
pub(crate) fn connected(cx: &mut Context, reused: bool, now: Instant) {
    if let Some(running) = cx.attempts.running.as_ref().filter(|_| !reused) {
        cx.attempts.connect = Some(now.saturating_duration_since(running.since));
    }
}

/// The request is about to be sent. One without a body is all there is: over HTTP/2 Pingora calls no hook for its end.
pub(super) fn asking(cx: &mut Context, has_body: bool, now: Instant) {
    if !has_body {
        cx.attempts.asked = true;
        deadline::await_answer(cx, now);
    }
}

/// The head of the response is there.
pub(crate) fn answered(cx: &mut Context, status: StatusCode, now: Instant) {
    cx.attempts.upstream_status = Some(status);
    cx.attempts.first_byte = cx.attempts.running.as_ref().map(|running| now - running.since);
    cx.verdict.answered = Some(now - cx.started());
    deadline::answered(cx);
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
    if end && !std::mem::replace(&mut cx.attempts.asked, true) {
        deadline::await_answer(cx, Instant::now());
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
pub(crate) fn response(res: &mut ResponseHead, cx: &mut Context) -> Result<()> {
    if res.status.is_informational() && res.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
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
    framing::delimit(res, cx);
    Ok(())
}

/// A piece of an upstream's response is on its way to the client.
pub(super) fn relayed(cx: &mut Context, piece: &mut Option<Bytes>, end: bool) -> Result<()> {
    if deadline::is_over(cx) {
        cx.attempts.late = Some(Failure::Overdue);
        return Err(decided(cx, Error::Exchange(Failure::Overdue)));
    }
    if end && let Some(wire) = cx.attempts.running.as_ref().and_then(|running| running.wire.as_ref()) {
        wire.rest(Instant::now());
    }
    response_body(cx, piece, end)
}

/// The trailers of an upstream's response are there. They end its body too, and no piece says so. What is returned goes to
/// the client in their place.
pub(super) fn relayed_trailers(cx: &mut Context, trailers: &mut HeaderMap) -> Result<Option<Bytes>> {
    let mut rest = None;
    cx.trailers = Some(std::mem::take(trailers));
    let relayed = relayed(cx, &mut rest, true);
    let left = cx.trailers.take();
    let were_taken = left.is_none();
    *trailers = left.unwrap_or_default();
    relayed?;
    if were_taken {
        return Ok(Some(rest.unwrap_or_default()));
    }
    Ok(rest.filter(|rest| !rest.is_empty()))
}

/// Shows a piece of a response's body, whoever made it, to the filters that want it.
pub(crate) fn response_body(cx: &mut Context, piece: &mut Option<Bytes>, end: bool) -> Result<()> {
    for index in (0..cx.entered.len()).rev() {
        if cx.entered[index].has(Phases::RESPONSE_BODY) {
            let route = cx.entered[index].clone();
            route.response_body(piece, end, cx).map_err(|error| decided(cx, error))?;
        }
    }
    Ok(())
}

pub(crate) fn attempts_are_left(cx: &Context) -> bool {
    cx.forward.as_ref().is_some_and(|forward| cx.attempts.made - cx.attempts.before < forward.retry.attempts)
}

/// The answer to a body that is larger than it may be.
pub(super) fn too_large() -> LocalReply {
    LocalReply::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
}

/// Keeps a reply for `fail_to_proxy`, and gives Pingora an error that stands for it.
pub(super) fn decided_on(cx: &mut Context, reply: LocalReply) -> Box<PingoraError> {
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

    /// Says in the body how many trailers there were.
    struct Taker;

    impl Filter for Taker {
        fn phases(&self) -> Phases {
            Phases::RESPONSE_BODY
        }

        fn response_body(
            &self,
            piece: &mut Option<Bytes>,
            end: bool,
            cx: &mut Context,
        ) -> Result<(), BoxError> {
            if end && let Some(trailers) = cx.take_trailers().filter(|trailers| !trailers.is_empty()) {
                *piece = Some(trailers.len().to_string().into());
            }
            Ok(())
        }
    }

    #[test]
    fn trailers_that_are_taken_go_no_further() {
        let trailers: HeaderMap = [(SET_COOKIE, "a=1".parse().unwrap())].into_iter().collect();
        let mut cx = Context::unknown();
        let mut left = trailers.clone();
        assert_eq!(relayed_trailers(&mut cx, &mut left).unwrap(), None, "nobody wants them");
        assert_eq!(left, trailers);

        cx.entered.push(Route::builder("taker", NotFound).filter("taker", Taker).build());
        assert_eq!(relayed_trailers(&mut cx, &mut left).unwrap().as_deref(), Some(&b"1"[..]));
        assert!(left.is_empty() && cx.trailers.is_none());
        let rest = relayed_trailers(&mut cx, &mut left).unwrap();
        assert_eq!(rest.as_deref(), Some(&b""[..]), "the body ends without them, too");
    }
}
