//! Ready-made behaviours: what nearly every test of a proxy needs behind it.

mod drain;
mod feeds;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::json;

pub use self::drain::Drain;
pub use self::feeds::{Feeds, FeedsRoute};
use super::behaviour::{Behaviour, broken_off};
use super::request::Request;
use super::response::Response;

/// Answers 200 with a JSON description of the request: `method`, `uri`, `version`, `headers` (a list of `[name, value]` in
/// order of arrival) and `body_length` in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Echo;

/// Answers the same to everyone, without reading the request's body: a refusal, a redirect, an error.
#[derive(Debug, Clone)]
pub struct Fixed {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// Answers 200 with so many bytes, announced by `content-length`, sent as fast as they are read.
#[derive(Debug, Clone, Copy)]
pub struct Filler(pub u64);

// === impl Echo ===

impl Behaviour for Echo {
    fn reply(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            let Ok(seen) = request.whole().await else {
                return broken_off();
            };
            let headers: Vec<_> = seen
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
                .collect();
            Response::json(&json!({
                "method": seen.method.as_str(),
                "uri": seen.uri.to_string(),
                "version": format!("{:?}", seen.version),
                "headers": headers,
                "body_length": seen.body.len(),
            }))
        })
    }
}

// === impl Fixed ===

impl Fixed {
    /// An empty reply with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body. It is plain text unless a `content-type` header says otherwise.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl Behaviour for Fixed {
    fn reply(&self, _: Request) -> BoxFuture<'_, Response> {
        let mut response = Response::new(self.status).body("text/plain; charset=utf-8", self.body.clone());
        let typed = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if typed || self.body.is_empty() {
            response = response.without("content-type");
        }
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        Box::pin(async { response })
    }
}

// === impl Filler ===

impl Behaviour for Filler {
    fn reply(&self, _: Request) -> BoxFuture<'_, Response> {
        Box::pin(async { Response::filled(self.0) })
    }
}
