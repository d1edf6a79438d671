//! A request arrives: who sent it, is its head acceptable, and what becomes of it.

use std::borrow::Cow;
use std::fmt::Display;

use headwall_route::normalise as normal_path;
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{StatusCode, Uri};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::{Exchange, Settings, UnderscoreHeaders, exchange, exit, framing};
use crate::connection::{Connection, Phase};
use crate::head::{RequestHead, take_request};
use crate::{Action, Error, LocalReply, Route, Service, front};

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
    let most = settings.max_requests_per_connection;
    let is_last = cx.connection.as_ref().filter(|connection| connection.count_request() >= most);
    if let Some(connection) = is_last {
        connection.has_enough();
    }
    // Never switch keep-alive back on: where Pingora has switched it off, framing was in doubt.
    if session.get_keepalive().is_some() {
        // With a connection of ours the stream keeps the time, so Pingora needs no timer: 0 means none.
        let seconds = if cx.connection.is_some() { 0 } else { settings.keepalive_timeout.as_secs().max(1) };
        session.set_keepalive(is_last.is_none().then_some(seconds));
    }
    session.set_read_timeout(Some(settings.body_timeout));
    // The stream sees how fast a client takes what it gets; a timer of Pingora's for each write would be a second one. Over
    // HTTP/2 the stream belongs to many.
    if cx.connection.is_none() || session.is_http2() {
        session.set_write_timeout(Some(settings.send_timeout));
    }
    session.set_total_drain_timeout(Some(DRAIN));
    cx.learn(session.req_header(), &settings.trusted_proxies, settings.forwarded);
    cx.limit_body(settings.max_body_size);
    framing::spare_old_clients(session);
}

/// Finds out what becomes of the request.
pub(super) async fn decide<S: Service>(
    session: &mut Session,
    exchange: &mut Exchange<S>,
) -> Result<Action, Error> {
    let Exchange { current, cx } = exchange;
    // Where no stream of ours has looked at the head before Pingora, it is looked at now.
    let unseen = cx.connection.is_none() && !session.is_http2();
    if unseen && let Err(refusal) = front::check(&session.to_h1_raw(), current.settings.head) {
        let reply = LocalReply::error(refusal.status(), refusal.reason()).message(refusal.sentence());
        session.set_keepalive(None);
        return Ok(Action::Reply(reply));
    }
    let announced = settle_framing(session);
    let header = session.req_header_mut();
    if let Err(reply) = check(header, &current.settings) {
        return Ok(Action::Reply(*reply));
    }
    // An absolute-form target (RFC 9112, 3.2.2) has been taken apart by Pingora: only its path goes on.
    let mut req = take_request(header);
    let action = match normalise(&mut req) {
        Ok(()) => current.service.call(&mut req, cx).await,
        Err(reply) => Ok(Action::Reply(*reply)),
    };
    let action = match action {
        Ok(Action::Forward(_)) if announced > cx.body_limit() => Ok(Action::Reply(exchange::too_large())),
        action => action,
    };
    if !cx.hints.is_empty() && matches!(action, Ok(Action::Forward(_))) {
        Box::pin(exit::hint(session, cx)).await;
    }
    let action = match (action, cx.shortcut.take()) {
        // A filter that judges bodies may refuse a request by its body, and by its having none: it has the last word.
        (Ok(Action::Forward(forward)), Some(shortcut)) if !cx.entered.iter().any(Route::judges_requests) => {
            let reply = shortcut.reply(&req, &forward, cx).await;
            reply.map(|reply| reply.map_or(Action::Forward(forward), Action::Reply))
        }
        (action, _) => action,
    };
    *session.req_header_mut() = req.into();
    action.map_err(|source| Error::said_by("service", source))
}

/// Has Pingora find out where the body ends, which it does when it is first asked, from the head as it is then. A filter may
/// have taken the length away by then, because it changes the body. Returns how long the body is, as far as the head says so:
/// a chunked one is counted on its way.
fn settle_framing(session: &mut Session) -> u64 {
    let headers = &session.req_header().headers;
    let length = headers.get(CONTENT_LENGTH);
    let announced = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    if length.is_some() || headers.contains_key(TRANSFER_ENCODING) {
        session.is_body_empty();
    }
    announced
}

/// Where the other end is, when no accept loop of ours has told.
fn peer_of(session: &Session) -> std::net::SocketAddr {
    let inet = session.client_addr().and_then(|address| address.as_inet());
    inet.copied().unwrap_or_else(|| std::net::SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Refuses what the head of an HTTP/1 request cannot be any more when it comes here, but that of an HTTP/2 request can,
/// and takes out what an app might take for something else.
fn check(req: &mut RequestHeader, settings: &Settings) -> Result<(), Box<LocalReply>> {
    let refuse = |status, reason| Err(Box::new(LocalReply::error(status, reason)));
    if !req.raw_path_is_utf8() {
        return Err(invalid_path("it is not UTF-8"));
    }
    if req.raw_path().len() > settings.head.max_request_line {
        return refuse(StatusCode::URI_TOO_LONG, "request_line_too_long");
    }
    if req.headers.len() > settings.head.max_header_count {
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large");
    }
    let underscored = |name: &HeaderName| name.as_str().as_bytes().contains(&b'_');
    if settings.underscore_headers == UnderscoreHeaders::Allow || !req.headers.keys().any(underscored) {
        return Ok(());
    }
    if settings.underscore_headers == UnderscoreHeaders::Refuse {
        return refuse(StatusCode::BAD_REQUEST, "underscore_header");
    }
    let names: Vec<_> = req.headers.keys().filter(|name| underscored(name)).cloned().collect();
    for name in &names {
        req.remove_header(name);
    }
    Ok(())
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
