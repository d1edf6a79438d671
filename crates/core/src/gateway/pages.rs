//! Errors as the route's filters want them shown, ours and, where a filter asks for it, the upstream's.

use http::header::{ALLOW, CACHE_CONTROL, HeaderName, RETRY_AFTER, SET_COOKIE, VARY, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::exchange;
use crate::reply::{ErrorReply, Page, sentence};
use crate::{Context, LocalReply, Phases};

/// What an app says with an error that is no part of the error's representation.
static KEPT: [HeaderName; 4] = [ALLOW, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE];

/// An error is for this moment.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Another client is told in another form.
const BY_ACCEPT: HeaderValue = HeaderValue::from_static("Accept");

/// What the innermost filter that has something wants to be shown.
pub(super) fn page_for(error: &ErrorReply<'_>, cx: &Context) -> Option<Page> {
    cx.entered.iter().rev().find_map(|route| route.error_page(error, cx))
}

/// An upstream's error that is to be shown in other words becomes a reply of ours: it takes the way of every such reply,
/// and the upstream's body is not waited for.
pub(super) fn replace(session: &Session, cx: &mut Context, res: &ResponseHeader) -> Result<()> {
    let is_error = res.status.is_client_error() || res.status.is_server_error();
    if !is_error || !cx.entered.iter().any(|route| route.has(Phases::ERROR)) {
        return Ok(());
    }
    let error = ErrorReply {
        status: res.status,
        message: &sentence(res.status),
        reason: "",
        by_upstream: true,
        request: &session.req_header().headers,
    };
    let Some(page) = page_for(&error, cx) else { return Ok(()) };
    let mut reply = LocalReply::bytes(res.status, page.content_type, page.body).because("error_page");
    for name in &KEPT {
        for value in res.headers.get_all(name) {
            reply = reply.added(name.clone(), value.clone());
        }
    }
    reply = reply.header(CACHE_CONTROL, NO_STORE).added(VARY, BY_ACCEPT);
    // The upstream has done its part, and well.
    cx.finish_attempt(None);
    Err(exchange::decided_on(cx, reply))
}

/// Says of an error's representation that it is for this client and this moment.
pub(super) fn mark(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.append(VARY, BY_ACCEPT);
}
