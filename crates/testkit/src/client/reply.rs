//! A whole reply, with assertions that show all of it when they fail: a wrong status alone never says why.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use serde_json::Value;

use super::handshake::Handshake;
use crate::head;

/// How much of a body a failed assertion prints.
const SHOWN: usize = 4096;

/// A reply that came to its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reply {
    /// The version of HTTP.
    pub version: Version,
    /// The status.
    pub status: StatusCode,
    /// The header fields in order of arrival, names in lower case.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers of a chunked body.
    pub trailers: HeaderMap,
    /// What its connection's handshake told, when it came over TLS.
    pub tls: Option<Arc<Handshake>>,
}

impl Reply {
    /// A reply of which only the head has come.
    pub(super) fn headed(version: Version, status: StatusCode, headers: HeaderMap) -> Self {
        Self { version, status, headers, body: Bytes::new(), trailers: HeaderMap::new(), tls: None }
    }

    /// What its connection's handshake told.
    ///
    /// # Panics
    ///
    /// When it did not come over TLS.
    #[must_use]
    #[track_caller]
    pub fn handshake(&self) -> &Handshake {
        self.tls.as_deref().unwrap_or_else(|| panic!("expected a reply over TLS, but came\n{self}"))
    }

    /// The first value of a header, when it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        head::text(&self.headers, name)
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("expected JSON, but {error}, in\n{self}"))
    }

    /// Asserts the status.
    ///
    /// # Panics
    ///
    /// When it is another one.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert!(self.status.as_u16() == status, "expected status {status}, but came\n{self}");
        self
    }

    /// Asserts that a header is there exactly once, with this value.
    ///
    /// # Panics
    ///
    /// When it is not there, has another value, or is there more than once.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: &str) -> &Self {
        let values: Vec<_> = self.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
        assert!(values == [value.as_bytes()], "expected the header `{name}: {value}` once, but came\n{self}");
        self
    }

    /// Asserts that a header is not there.
    ///
    /// # Panics
    ///
    /// When it is.
    #[track_caller]
    pub fn assert_no_header(&self, name: &str) -> &Self {
        assert!(!self.headers.contains_key(name), "expected no header `{name}`, but came\n{self}");
        self
    }

    /// Asserts the body.
    ///
    /// # Panics
    ///
    /// When it is another one.
    #[track_caller]
    pub fn assert_text(&self, text: &str) -> &Self {
        assert!(self.body == text.as_bytes(), "expected the body `{text}`, but came\n{self}");
        self
    }
}

/// The reply much as it was on the wire.
impl fmt::Display for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:?} {}", self.version, self.status)?;
        head::write_fields(out, &self.headers)?;
        writeln!(out)?;
        let shown = &self.body[..self.body.len().min(SHOWN)];
        writeln!(out, "{}", String::from_utf8_lossy(shown))?;
        if shown.len() < self.body.len() {
            writeln!(out, "… {} bytes in all", self.body.len())?;
        }
        head::write_fields(out, &self.trailers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> Reply {
        let headers = [head::field("retry-after", "12"), head::field("vary", "a"), head::field("vary", "b")];
        let mut reply =
            Reply::headed(Version::HTTP_11, StatusCode::TOO_MANY_REQUESTS, headers.into_iter().collect());
        reply.body = Bytes::from_static(b"{\"error\":\"slow down\"}");
        reply
    }

    #[test]
    fn what_is_so_passes() {
        refusal()
            .assert_status(429)
            .assert_header("retry-after", "12")
            .assert_no_header("server")
            .assert_text("{\"error\":\"slow down\"}");
        assert_eq!(refusal().json()["error"], "slow down");
    }

    #[test]
    #[should_panic(
        expected = "expected status 200, but came\nHTTP/1.1 429 Too Many Requests\nretry-after: 12\n"
    )]
    fn a_wrong_status_shows_the_reply() {
        refusal().assert_status(200);
    }

    #[test]
    #[should_panic(expected = "slow down")]
    fn a_wrong_status_shows_the_body() {
        refusal().assert_status(200);
    }

    #[test]
    #[should_panic(expected = "expected the header `vary: a` once")]
    fn a_header_that_is_there_twice_is_not_there_once() {
        refusal().assert_header("vary", "a");
    }

    #[test]
    #[should_panic(expected = "expected no header `retry-after`")]
    fn an_unwanted_header_is_told() {
        refusal().assert_no_header("retry-after");
    }

    #[test]
    fn a_long_body_is_shown_in_part() {
        let mut long = refusal();
        long.body = Bytes::from(vec![b'x'; SHOWN + 1]);
        let shown = long.to_string();
        assert!(shown.contains("… 4097 bytes in all"), "{shown}");
        assert!(!shown.contains(&"x".repeat(SHOWN + 1)), "the last byte is not shown");
    }
}
