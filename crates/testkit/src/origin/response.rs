//! What an origin answers, in the words of a test.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::body::{self, Body, Feed};
use crate::head;

/// A reply of an [`Origin`](crate::Origin): status, headers, a body of some kind, perhaps trailers.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Content,
    trailers: HeaderMap,
}

#[derive(Debug)]
enum Content {
    Whole(Bytes),
    Filled(u64),
    Fed(Body),
}

impl Response {
    /// An empty reply.
    ///
    /// # Panics
    ///
    /// When `status` is no status: 100 to 999.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status)
            .unwrap_or_else(|_| panic!("{status} is no HTTP status, 100 to 999 are"));
        Self {
            status,
            headers: HeaderMap::new(),
            body: Content::Whole(Bytes::new()),
            trailers: HeaderMap::new(),
        }
    }

    /// 200 with text.
    #[must_use]
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self::new(200).body("text/plain; charset=utf-8", text)
    }

    /// 200 with JSON.
    #[must_use]
    pub fn json(json: &serde_json::Value) -> Self {
        Self::new(200).body("application/json", json.to_string())
    }

    /// 200 with `length` dots, sent as fast as they are read and never held in memory.
    #[must_use]
    pub fn filled(length: u64) -> Self {
        let mut filled = Self::new(200);
        filled.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        filled.body = Content::Filled(length);
        filled
    }

    /// 200 whose body the test sends through the [`Feed`]. The head goes out at once; no length is announced.
    #[must_use]
    pub fn fed(content_type: &'static str) -> (Feed, Self) {
        let (feed, body) = body::fed();
        let mut response = Self::new(200);
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.body = Content::Fed(body);
        (feed, response)
    }

    /// Another status.
    ///
    /// # Panics
    ///
    /// When `status` is no status: 100 to 999.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        Self { status: Self::new(status).status, ..self }
    }

    /// Adds a header, beside those of the same name.
    ///
    /// # Panics
    ///
    /// When it is no header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = head::field(name, value);
        self.headers.append(name, value);
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = Content::Whole(body.into());
        self
    }

    /// Takes a header away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Adds a trailer after a whole body, and its name to the `trailer` header. Over HTTP/1.1 trailers go out only when the
    /// request said `te: trailers` (RFC 9110 section 6.5.1).
    ///
    /// # Panics
    ///
    /// When it is no header.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        let (name, value) = head::field(name, value);
        self.headers.append(TRAILER, HeaderValue::from(name.clone()));
        self.trailers.append(name, value);
        self
    }

    /// As hyper sends it.
    pub(super) fn into_http(self) -> http::Response<Body> {
        let body = match self.body {
            Content::Whole(bytes) if self.trailers.is_empty() => body::whole(bytes),
            Content::Whole(bytes) => body::with_trailers(bytes, self.trailers),
            Content::Filled(length) => body::filled(length),
            Content::Fed(body) => body,
        };
        let mut response = http::Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl From<&'static str> for Response {
    fn from(text: &'static str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Response {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<serde_json::Value> for Response {
    fn from(json: serde_json::Value) -> Self {
        Self::json(&json)
    }
}
