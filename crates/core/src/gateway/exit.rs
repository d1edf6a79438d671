//! The one exit for every reply that is made here, and the end of every request.

use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, LINK, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use pingora_error::{Error as PingoraError, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, Session};

use super::framing::may_have_body;
use super::{Exchange, exchange, pages, pieces};
use crate::access_log::Record;
use crate::connection::{BrokenOff, Phase};
use crate::error::{Failure, chain};
use crate::head::{ResponseHead, blank_response};
use crate::reply::{Body, BodyStream, ErrorReply, Page, grpc};
use crate::{Context, Error, LocalReply, Outcome};

/// Turns an error into the reply for the client, and tells the log what the client is not told.
pub(super) fn reply_to(error: &Error) -> LocalReply {
    match error {
        Error::Module { .. } | Error::NoPeer { .. } => log::error!("{}", chain(error)),
        Error::NoHealthyServer { .. } | Error::Exchange(_) => log::debug!("{error}"),
    }
    error.reply()
}

/// Tells the client what filters have hinted at (RFC 8297), ahead of the answer. That follows in any case, so a client that
/// cannot be written to is noticed there.
pub(super) async fn hint(session: &mut Session, cx: &mut Context) {
    if cx.request_line().version != Version::HTTP_11 {
        return;
    }
    let mut res = blank_response();
    res.status = StatusCode::EARLY_HINTS;
    res.headers = cx.hints.drain(..).map(|link| (LINK, link)).collect();
    if let Err(error) = session.write_response_header(Box::new(res.into()), false).await {
        log::debug!("early hints could not be written: {error}");
    }
}

/// Sends a reply. The answer is what `request_filter` reports: the response is written.
pub(crate) async fn send(session: &mut Session, cx: &mut Context, reply: LocalReply) -> Result<bool> {
    if let Err(mut error) = write(session, cx, reply).await {
        log::debug!("a reply could not be written: {error}");
        if *error.esource() == ErrorSource::Unset {
            error.as_down();
        }
        // Not `Ok`: Pingora would end the body, and half a stream would look like a whole one.
        return Err(error);
    }
    drain(session).await;
    Ok(true)
}

async fn write(session: &mut Session, cx: &mut Context, reply: LocalReply) -> Result<()> {
    cx.verdict.reason = reply.reason();
    let req = session.req_header();
    let is_head = req.method == Method::HEAD;
    let reply = grpc::answer(req, reply);
    let (mut res, mut body) = compose(reply, &req.headers, cx);
    if pass_filters(&mut res, &mut body, is_head, cx).await.is_err() {
        // A filter failed on the reply. Its error is answered without filters, so that this ends.
        let error = cx.verdict.error.take().unwrap_or(Error::Exchange(Failure::Internal));
        cx.verdict.reason = Some(error.reason());
        let req = session.req_header();
        (res, body) = compose(grpc::answer(req, reply_to(&error)), &req.headers, cx);
        announce(&mut res, &body);
    }
    cx.verdict.answered = Some(cx.started().elapsed());
    let has_body = !is_head && may_have_body(res.status);
    if session.get_header(EXPECT).is_some() && !session.is_body_done() {
        // The client may or may not send its body now, so the connection cannot be trusted to begin a next request.
        session.set_keepalive(None);
    }
    match body {
        Body::Stream(pieces, length) if has_body => {
            session.write_response_header(Box::new(res.into()), false).await?;
            stream(session, cx, pieces, length).await
        }
        Body::Full(bytes) if has_body && !bytes.is_empty() => {
            session.write_response_header(Box::new(res.into()), false).await?;
            session.write_response_body(Some(bytes), true).await
        }
        Body::Full(_) | Body::Stream(..) | Body::Error(_) => {
            session.write_response_header(Box::new(res.into()), true).await?;
            session.write_response_body(None, true).await
        }
    }
}

/// Shows a reply to the filters. A body in memory passes them before its head is sent, so that its length is known even
/// to a client that understands no chunks.
async fn pass_filters(
    res: &mut ResponseHead,
    body: &mut Body,
    is_head: bool,
    cx: &mut Context,
) -> Result<()> {
    announce(res, body);
    exchange::response(res, cx)?;
    if let Body::Full(bytes) = body
        && !is_head
        && may_have_body(res.status)
    {
        if pieces::are_watched(cx) {
            *bytes = pieces::all(cx, std::mem::take(bytes)).await?;
        }
        res.headers.remove(TRANSFER_ENCODING);
        announce(res, body);
    }
    Ok(())
}

/// The head and the body, errors as a filter wants them shown or in the client's preferred representation.
fn compose(reply: LocalReply, request: &HeaderMap, cx: &Context) -> (ResponseHead, Body) {
    let reason = reply.reason();
    let (status, headers, body) = reply.into_parts();
    let mut res = blank_response();
    (res.status, res.headers) = (status, headers);
    let body = match body {
        Body::Error(sentence) => {
            let (message, reason_text) = (&*sentence, reason.unwrap_or(""));
            let error = ErrorReply { status, message, reason: reason_text, by_upstream: false, request };
            let page = pages::page_for(&error, cx).unwrap_or_else(|| {
                let form = error.preferred();
                Page { content_type: form.content_type(), body: form.write(status, message, reason) }
            });
            res.headers.insert(CONTENT_TYPE, page.content_type);
            pages::mark(&mut res.headers);
            Body::Full(page.body)
        }
        body @ (Body::Full(_) | Body::Stream(..)) => body,
    };
    (res, body)
}

/// Says how long a body is, where that is known.
fn announce(res: &mut ResponseHead, body: &Body) {
    match body {
        Body::Full(bytes) if may_have_body(res.status) => {
            res.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }
        Body::Stream(_, Some(length)) if may_have_body(res.status) => {
            res.headers.insert(CONTENT_LENGTH, HeaderValue::from(*length));
        }
        Body::Full(_) | Body::Stream(..) | Body::Error(_) => {}
    }
}

/// Sends pieces as they come, and stops when the client leaves, even between two of them. Pieces that are not of the
/// length that was announced are an error, because Pingora would end the response and keep the connection.
async fn stream(
    session: &mut Session,
    cx: &mut Context,
    mut pieces: BodyStream,
    length: Option<u64>,
) -> Result<()> {
    let watch_client = session.is_body_empty();
    let broken = |source| PingoraError::because(ErrorType::InternalError, "streamed reply", source).into_in();
    let mut sent = 0;
    loop {
        let piece = tokio::select! {
            biased;
            piece = pieces.next() => piece,
            gone = session.downstream_session.read_body_or_idle(true), if watch_client => return gone.map(drop),
        };
        let piece = piece.transpose().map_err(broken)?;
        sent += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let is_over = piece.is_none();
        if let Some(length) = length.filter(|length| sent > *length || (is_over && sent < *length)) {
            return Err(broken(format!("{sent} bytes, where {length} were announced").into()));
        }
        match piece {
            Some(piece) => pieces::write(session, cx, piece).await?,
            None => return pieces::end(session, cx).await,
        }
    }
}

/// Answers a request that Pingora could not get done.
pub(super) async fn fail(session: &mut Session, cx: &mut Context, error: &PingoraError) -> FailToProxy {
    let failure = failure(cx, error);
    cx.finish_attempt(Some(failure));
    let reply = match (cx.verdict.reply.take(), cx.verdict.error.take()) {
        (Some(reply), _) => *reply,
        (None, Some(error)) => reply_to(&error),
        (None, None) => reply_to(&Error::Exchange(failure)),
    };
    let status = reply.status().as_u16();
    session.set_keepalive(None);
    if session.response_written().is_some_and(|res| !res.status.is_informational())
        || failure.is_client_gone()
    {
        cx.verdict.reason = Some(failure.reason());
        return FailToProxy { error_code: 0, can_reuse_downstream: false };
    }
    if let Err(error) = write(session, cx, reply).await {
        log::debug!("a reply could not be written: {error}");
    }
    drain(session).await;
    FailToProxy { error_code: status, can_reuse_downstream: false }
}

/// Reads off what the client is still sending, for a moment: closing at once would reset the connection and destroy the
/// reply on its way (RFC 9112, 9.6).
async fn drain(session: &mut Session) {
    if session.is_body_done() {
        return;
    }
    if let Err(error) = session.downstream_session.drain_request_body().await {
        log::debug!("the rest of the request was not read: {error}");
        session.set_keepalive(None);
    }
}

/// What Pingora's error means, given what the stream has done on our behalf.
pub(crate) fn failure(cx: &Context, error: &PingoraError) -> Failure {
    if let Some(late) = cx.attempts.late {
        return late;
    }
    match cx.connection.as_ref().map(|connection| connection.broken_off()) {
        Some(BrokenOff::Unanswered) => Failure::ReadTimeout,
        Some(BrokenOff::TooSlow) => Failure::ClientTimeout,
        Some(BrokenOff::Malformed) => Failure::InvalidRequest,
        Some(BrokenOff::Not) | None => {
            let failure = Failure::of(error);
            // The upstream cannot answer what it has not been asked yet. HTTP/2 has no other clock for an upload that
            // stops, because no hook is called then.
            let is_clients = failure == Failure::ReadTimeout && !cx.attempts.asked;
            if is_clients { Failure::ClientTimeout } else { failure }
        }
    }
}

/// The request is over.
pub(super) fn log<S>(session: &mut Session, exchange: &mut Exchange<S>, error: Option<&PingoraError>) {
    if let Some(connection) = &exchange.cx.connection {
        connection.never_give_up();
        connection.enter(Phase::Idle);
    }
    if exchange.cx.verdict.tunnelled {
        return;
    }
    let failure = error.map(|error| failure(&exchange.cx, error));
    let cx = &mut exchange.cx;
    cx.finish_attempt(failure);
    let outcome = Outcome {
        status: session.response_written().map(|res| res.status).filter(is_answer),
        reason: cx.verdict.reason.or(failure.map(Failure::reason)),
        duration: cx.started().elapsed(),
        bytes_received: session.body_bytes_read() as u64,
        bytes_sent: session.body_bytes_sent() as u64,
    };
    count(cx, &outcome);
    cx.leave_routes();
    for route in &exchange.cx.entered {
        route.log(&outcome, &exchange.cx);
    }
    write_line(exchange, &session.req_header().headers, &outcome, "http");
}

/// Whether a status is that of an answer. A client that has left after an informational one was sent none.
fn is_answer(status: &StatusCode) -> bool {
    !status.is_informational() || *status == StatusCode::SWITCHING_PROTOCOLS
}

/// Adds a request to its route's numbers.
pub(crate) fn count(cx: &Context, outcome: &Outcome) {
    let Some(metrics) = cx.route().and_then(crate::Route::metrics) else {
        return;
    };
    metrics.counts.request(&cx.request_line().method, outcome.status.unwrap_or(StatusCode::BAD_REQUEST));
    if let Some(reason) = outcome.reason {
        metrics.counts.local_reply(reason);
    }
    metrics.duration.observe(outcome.duration.as_secs_f64());
    if let Some(answered) = cx.verdict.answered {
        metrics.first_byte.observe(answered.as_secs_f64());
    }
    metrics.received.inc_by(outcome.bytes_received);
    metrics.sent.inc_by(outcome.bytes_sent);
}

fn write_line<S>(exchange: &Exchange<S>, headers: &HeaderMap, outcome: &Outcome, kind: &'static str) {
    let wanted = exchange.cx.entered.iter().all(|route| route.access_log);
    if let Some(access_log) = exchange.access_log().filter(|_| wanted) {
        access_log.write(&Record::of(&exchange.cx, headers, outcome, kind));
    }
}
