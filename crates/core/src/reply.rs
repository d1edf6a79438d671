//! Replies that Headwall makes itself.
//!
//! A [`LocalReply`] is a value: whoever wants a client to be answered returns one, and the gateway is the only place
//! that writes it. So every such reply passes the route's response filters, is logged and counted, and looks the
//! same: an error body is `{"error": "A sentence."}`, or what the client prefers of that, RFC 9457
//! `application/problem+json` and HTML.

pub(crate) mod grpc;
mod negotiate;
mod page;

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::BoxError;
use crate::head::ResponseHead;
pub use negotiate::Representation;
pub use page::{ErrorReply, Page};

/// A reply made here instead of by an upstream.
#[must_use]
pub struct LocalReply {
    status: StatusCode,
    reason: Option<&'static str>,
    headers: HeaderMap,
    body: Body,
}

/// Pieces of a body as they come to be.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send + Sync>>;

/// What a reply says.
pub(crate) enum Body {
    /// An error sentence, in the representation that the client prefers.
    Error(Cow<'static, str>),
    /// These bytes, of the type that the headers name.
    Full(Bytes),
    /// What the stream gives, sent piece by piece. Its length in bytes, where that is known before.
    Stream(BodyStream, Option<u64>),
}

// === impl LocalReply ===

impl LocalReply {
    /// A reply with a status and nothing else.
    pub fn new(status: StatusCode) -> Self {
        Self { status, reason: None, headers: HeaderMap::new(), body: Body::Full(Bytes::new()) }
    }

    /// An error. `reason` is the machine-readable word for log and metrics; the client gets the status' own sentence.
    pub fn error(status: StatusCode, reason: &'static str) -> Self {
        Self { reason: Some(reason), body: Body::Error(sentence(status)), ..Self::new(status) }
    }

    /// Plain text.
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::bytes(status, HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
    }

    /// A JSON value, already written as text.
    pub fn json(status: StatusCode, json: impl Into<Bytes>) -> Self {
        Self::bytes(status, HeaderValue::from_static("application/json"), json)
    }

    /// Bytes of some type.
    pub fn bytes(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self { body: Body::Full(body.into()), ..Self::new(status) }.header(header::CONTENT_TYPE, content_type)
    }

    /// A body that comes to be while it is sent. Each piece is on its way to the client before the next is asked for.
    pub fn stream(
        status: StatusCode,
        content_type: HeaderValue,
        pieces: impl Stream<Item = Result<Bytes, BoxError>> + Send + Sync + 'static,
    ) -> Self {
        Self { body: Body::Stream(Box::pin(pieces), None), ..Self::new(status) }
            .header(header::CONTENT_TYPE, content_type)
    }

    /// A body of `length` bytes that comes to be while it is sent, such as a file's. The client is told the length. A
    /// stream that ends with another one breaks the connection off, so that a part is never taken for the whole; the
    /// answer to a `HEAD` never asks it for a piece.
    pub fn sized_stream(
        status: StatusCode,
        content_type: HeaderValue,
        length: u64,
        pieces: impl Stream<Item = Result<Bytes, BoxError>> + Send + Sync + 'static,
    ) -> Self {
        Self { body: Body::Stream(Box::pin(pieces), Some(length)), ..Self::new(status) }
            .header(header::CONTENT_TYPE, content_type)
    }

    /// An answer whose head is known as a whole, such as one that an upstream has given before.
    pub fn of(head: ResponseHead, body: impl Into<Bytes>) -> Self {
        Self { status: head.status, reason: None, headers: head.headers, body: Body::Full(body.into()) }
    }

    /// The same with a body that is still on its way. If the head tells its length and it is another, the connection breaks.
    pub fn streamed(
        head: ResponseHead,
        pieces: impl Stream<Item = Result<Bytes, BoxError>> + Send + Sync + 'static,
    ) -> Self {
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Self { body: Body::Stream(Box::pin(pieces), length), ..Self::of(head, Bytes::new()) }
    }

    /// A redirect.
    pub fn redirect(status: StatusCode, location: HeaderValue) -> Self {
        Self::new(status).header(header::LOCATION, location)
    }

    /// Says something more to the point than the status' own sentence. It is public: nothing from the inside.
    pub fn message(self, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { body: Body::Error(sentence.into()), ..self }
    }

    /// Gives a reply that is no error sentence a machine-readable word for log and metrics all the same.
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds a header to those of the same name, as `Set-Cookie` needs it.
    pub fn added(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Tells the client when to come back (RFC 9110, 10.2.3), in whole seconds, rounded up, at least one.
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The machine-readable reason.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// The headers set so far.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn into_parts(self) -> (StatusCode, HeaderMap, Body) {
        (self.status, self.headers, self.body)
    }
}

impl fmt::Debug for LocalReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalReply")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What a client is told of a status when nobody has said anything better.
pub(crate) fn sentence(status: StatusCode) -> Cow<'static, str> {
    let known = match status.as_u16() {
        400 => "The request is malformed.",
        401 => "Authentication is required.",
        403 => "You are not allowed to do this.",
        404 => "Nothing was found here.",
        405 => "This method is not allowed here.",
        408 => "The request took too long to arrive.",
        413 => "The request body is too large.",
        414 => "The request address is too long.",
        421 => "This connection was not opened for that host.",
        426 => "This address only speaks WebSocket.",
        429 => "Too many requests. Please try again later.",
        431 => "The request headers are too large.",
        500 => "Something went wrong on this server.",
        502 => "The server behind this address could not be reached.",
        503 => "The service is not available right now. Please try again later.",
        504 => "The server behind this address did not answer in time.",
        _ => return Cow::Borrowed(status.canonical_reason().unwrap_or("The request failed.")),
    };
    Cow::Borrowed(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_rounded_up() {
        let rows = [(0, "1"), (1, "1"), (999, "1"), (1000, "1"), (1001, "2"), (12_049, "13")];
        for (millis, expected) in rows {
            let reply = LocalReply::error(StatusCode::TOO_MANY_REQUESTS, "rate_limited")
                .retry_after(Duration::from_millis(millis));
            assert_eq!(reply.headers()[header::RETRY_AFTER], expected, "{millis} ms");
        }
    }

    #[test]
    fn headers_of_one_name_can_stand_beside_each_other() {
        let cookie = |text| HeaderValue::from_static(text);
        let reply = LocalReply::new(StatusCode::FOUND)
            .added(header::SET_COOKIE, cookie("a=1"))
            .added(header::SET_COOKIE, cookie("b=2"))
            .because("auth_refused");
        assert_eq!(reply.headers().get_all(header::SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(reply.reason(), Some("auth_refused"));
    }

    #[test]
    fn debug_output_names_headers_but_no_values() {
        let reply = LocalReply::new(StatusCode::OK)
            .header(header::SET_COOKIE, HeaderValue::from_static("session=secret"));
        assert!(!format!("{reply:?}").contains("secret"));
    }
}
