//! A request arrives: who sent it, is its head acceptable, and what becomes of it.

use std::borrow::Cow;
use std::fmt::Display;

use bytes::Bytes;
use headwall_route::normalise as normal_path;
use http::header::TRANSFER_ENCODING;
use http::{StatusCode, Uri};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::{Exchange, Settings};
use crate::connection::{Connection, Phase};
use crate::head::{RequestHead, take_request};
use crate::{Action, Error, LocalReply, Service};

/// How long a request body that nobody wants may take to be read off before the connection is closed instead.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Sets the connection's timeouts and learns who the client is.
pub(super) fn greet<S: Service>(session: &mut Session, exchange: &mut Exchange<S>) {
    let settings = &exchange.current.settings;
    let secure = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let cx = &mut exchange.cx;
    match Connection::of(session) {
        Some(connection) => {
            connection.enter(Phase::Exchange);
            cx.arrive_on(connection, secure);
        }
        None => cx.arrive_from(peer_of(session), secure),
    }
    // Never switch keep-alive back on: where Pingora has switched it off, framing was in doubt.
    if session.get_keepalive().is_some() {
        // With a connection of ours the stream keeps the time, so Pingora needs no timer: 0 means none.
        let seconds = if cx.connection.is_some() { 0 } else { settings.keepalive_timeout.as_secs().max(1) };
        session.set_keepalive(Some(seconds));
    }
    session.set_read_timeout(Some(settings.body_timeout));
    session.set_write_timeout(Some(settings.send_timeout));
    session.set_total_drain_timeout(Some(DRAIN));
    cx.learn(session.req_header(), &settings.trusted_proxies, settings.forwarded);
}

/// Finds out what becomes of the request.
pub(super) async fn decide<S: Service>(
    session: &mut Session,
    exchange: &mut Exchange<S>,
) -> Result<Action, Error> {
    let Exchange { current, cx } = exchange;
    // HTTP/2 bounds its header list itself.
    let raw_head = if session.is_http2() { Bytes::new() } else { session.to_h1_raw() };
    let header = session.req_header_mut();
    if let Err(reply) = check(header, &raw_head, &current.settings) {
        return Ok(Action::Reply(*reply));
    }
    // An absolute-form target (RFC 9112, 3.2.2) has been taken apart by Pingora: only its path goes on.
    let mut req = take_request(header);
    let action = match normalise(&mut req) {
        Ok(()) => current.service.call(&mut req, cx).await,
        Err(reply) => Ok(Action::Reply(*reply)),
    };
    *session.req_header_mut() = req.into();
    action.map_err(|source| Error::said_by("service", source))
}

/// Where the other end is, when no accept loop of ours has told.
fn peer_of(session: &Session) -> std::net::SocketAddr {
    let inet = session.client_addr().and_then(|address| address.as_inet());
    inet.copied().unwrap_or_else(|| std::net::SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Refuses a head that is too large, that names no host where HTTP/1.1 demands one (RFC 9112, 3.2), or that says twice how
/// long its body is.
fn check(req: &RequestHeader, raw_head: &[u8], settings: &Settings) -> Result<(), Box<LocalReply>> {
    let refuse = |status, reason| Err(Box::new(LocalReply::error(status, reason)));
    if !req.raw_path_is_utf8() {
        return Err(invalid_path("it is not UTF-8"));
    }
    if req.raw_path().len() > settings.max_request_line {
        return refuse(StatusCode::URI_TOO_LONG, "request_line_too_long");
    }
    if raw_head.len() > settings.max_header_size || req.headers.len() > settings.max_header_count {
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large");
    }
    if req.version == http::Version::HTTP_11 && !req.headers.contains_key(http::header::HOST) {
        return refuse(StatusCode::BAD_REQUEST, "missing_host");
    }
    // Whoever goes by the other length sees another request (RFC 9112, 6.1).
    if req.headers.contains_key(TRANSFER_ENCODING) && has_content_length(raw_head) {
        let reply = LocalReply::error(StatusCode::BAD_REQUEST, "ambiguous_length");
        return Err(Box::new(
            reply.message("The request has both a Content-Length and a Transfer-Encoding."),
        ));
    }
    Ok(())
}

/// Looks into what was sent, because Pingora takes the Content-Length away where it goes by the Transfer-Encoding.
fn has_content_length(raw_head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    let starts = |line: &[u8]| line.get(..NAME.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAME));
    raw_head.split(|byte| *byte == b'\n').any(starts)
}

/// Brings the path into the one form that is matched and forwarded.
fn normalise(req: &mut RequestHead) -> Result<(), Box<LocalReply>> {
    // `OPTIONS *` asks the server itself (RFC 9110, 9.3.7).
    if req.uri.path() == "*" {
        return Ok(());
    }
    let Cow::Owned(normal) = normal_path(req.uri.path()).map_err(invalid_path)? else {
        return Ok(());
    };
    let target = match req.uri.query() {
        Some(query) => format!("{normal}?{query}"),
        None => normal,
    };
    req.uri = Uri::try_from(target).map_err(invalid_path)?;
    Ok(())
}

fn invalid_path(why: impl Display) -> Box<LocalReply> {
    let reply = LocalReply::error(StatusCode::BAD_REQUEST, "invalid_path");
    Box::new(reply.message(format!("The request's path is malformed: {why}.")))
}
