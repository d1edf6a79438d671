//! One request, put together and sent.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::time::timeout;

use super::Client;
use super::failed::Failed;
use super::reply::Reply;
use super::streaming::Streaming;
use crate::body::{self, Body, Feed};
use crate::deadline::PATIENCE;
use crate::head;

/// A request to be sent. It owns all it needs, so it can be sent from another task: `tokio::spawn(call.send())`.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    client: Client,
    method: Method,
    target: Uri,
    headers: HeaderMap,
    body: Body,
}

impl Call {
    pub(super) fn new(client: Client, method: Method, target: &str) -> Self {
        let target = target.parse().unwrap_or_else(|_| {
            panic!("`{target}` is no request target; to send one that is wrong, use a Wire")
        });
        Self { client, method, target, headers: HeaderMap::new(), body: body::whole(Bytes::new()) }
    }

    /// Adds a header, beside those of the same name.
    ///
    /// # Panics
    ///
    /// When it is no header; to send such a thing on purpose there is [`Wire`](crate::Wire).
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = head::field(name, value);
        self.headers.append(name, value);
        self
    }

    /// Sets the `host` header.
    ///
    /// # Panics
    ///
    /// When it is no header value.
    pub fn host(mut self, host: &str) -> Self {
        let (_, host) = head::field("host", host);
        self.headers.insert(HOST, host);
        self
    }

    /// Sets the body; its length is announced.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body::whole(body.into());
        self
    }

    /// Sets a JSON body.
    pub fn json(mut self, json: &serde_json::Value) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body(json.to_string())
    }

    /// Sets a body of so many dots, sent as fast as they are taken, chunked unless a `content-length` is set.
    pub fn filled(mut self, length: u64) -> Self {
        self.body = body::filled(length);
        self
    }

    /// Sets a chunked body that the test sends through the [`Feed`]. Send the call from a task of its own: the reply does
    /// not come before the origin gives it.
    pub fn streamed(mut self) -> (Feed, Self) {
        let (feed, body) = body::fed();
        self.body = body;
        (feed, self)
    }

    /// Sends the request and reads the whole reply.
    ///
    /// # Panics
    ///
    /// When no whole reply comes within [`PATIENCE`].
    pub async fn send(self) -> Reply {
        let asked = self.describe();
        self.try_send().await.unwrap_or_else(|failed| panic!("{asked}: {failed}"))
    }

    /// Sends the request and reads the whole reply.
    ///
    /// # Errors
    ///
    /// When no whole reply comes within [`PATIENCE`]; what did come is in the error.
    pub async fn try_send(self) -> Result<Reply, Failed> {
        self.try_open().await?.whole().await
    }

    /// Sends the request and reads the head of the reply; the body is then read piece by piece.
    ///
    /// # Panics
    ///
    /// When no head comes within [`PATIENCE`].
    pub async fn open(self) -> Streaming {
        let asked = self.describe();
        self.try_open().await.unwrap_or_else(|failed| panic!("{asked}: {failed}"))
    }

    /// Sends the request and reads the head of the reply; the body is then read piece by piece.
    ///
    /// # Errors
    ///
    /// When no head comes within [`PATIENCE`].
    pub async fn try_open(mut self) -> Result<Streaming, Failed> {
        if !self.headers.contains_key(HOST) {
            let host = self.client.default_host();
            self = self.host(&host);
        }
        let mut request = http::Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target;
        *request.headers_mut() = self.headers;
        let (response, connection) =
            timeout(PATIENCE, self.client.exchange(request)).await.map_err(|_| Failed::NoReplyInTime)??;
        Ok(Streaming::new(response, connection))
    }

    /// For the sentence of a failed test.
    fn describe(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}
