//! What an origin has seen. A proxy is judged by what arrives behind it, so every request is kept, in order of arrival,
//! from the moment its head is there.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Uri, Version};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::arrival::SeenTls;
use super::proxied::Proxied;
use crate::deadline::patiently;
use crate::head;

/// One request as it arrived at an [`Origin`](crate::Origin).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The request target as written; of HTTP/2, put together from `:scheme`, `:authority` and `:path`.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The header fields in order of arrival, names in lower case.
    pub headers: HeaderMap,
    /// As much of the body as the route's behaviour has read.
    pub body: Bytes,
    /// Trailers, once the body was read to its end.
    pub trailers: HeaderMap,
    /// Whether the body was read to its end. `false` for one that is still coming, was broken off or was not read.
    pub complete: bool,
    /// The peer of the connection.
    pub remote: SocketAddr,
    /// The number of the connection at this origin, from 1: two requests with the same number shared one.
    pub connection: usize,
    /// The PROXY protocol's header, at an origin that expects one.
    pub proxied: Option<Proxied>,
    /// What the handshake told, at an origin with TLS.
    pub tls: Option<SeenTls>,
}

/// Every request of one origin.
#[derive(Debug)]
pub(super) struct Journal {
    records: Mutex<Vec<Record>>,
    hits: watch::Sender<usize>,
    connections: watch::Sender<usize>,
}

/// The place of one request in a [`Journal`].
#[derive(Debug)]
pub(super) struct Entry {
    journal: Arc<Journal>,
    index: usize,
}

/// A request whose body may still grow.
#[derive(Debug)]
struct Record {
    seen: Seen,
    body: BytesMut,
}

// === impl Seen ===

impl Seen {
    /// The path of the request target, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The host and port that the request is for: `:authority` of HTTP/2, the `host` header of HTTP/1.1.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.uri.authority().map(http::uri::Authority::as_str).or_else(|| self.header("host"))
    }

    /// The server name that the client asked for in its handshake (SNI).
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.tls.as_ref()?.server_name.as_deref()
    }

    /// The subject of the client's certificate, such as `CN=alice`.
    #[must_use]
    pub fn client_subject(&self) -> Option<String> {
        Some(self.tls.as_ref()?.client.as_ref()?.subject())
    }

    /// The first value of a header, when it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        head::text(&self.headers, name)
    }

    /// Every value of a header, in order; what is not text is shown with replacement characters.
    #[must_use]
    pub fn header_values(&self, name: &str) -> Vec<String> {
        self.headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
            .collect()
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into()
    }
}

// === impl Journal ===

impl Journal {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            records: Mutex::default(),
            hits: watch::Sender::new(0),
            connections: watch::Sender::new(0),
        })
    }

    /// Counts a connection and returns its number.
    pub(super) fn connected(&self) -> usize {
        let mut number = 0;
        self.connections.send_modify(|count| {
            *count += 1;
            number = *count;
        });
        number
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    pub(super) fn arrived(self: &Arc<Self>, seen: Seen) -> Entry {
        let mut records = self.records.lock();
        records.push(Record { seen, body: BytesMut::new() });
        let entry = Entry { journal: Arc::clone(self), index: records.len() - 1 };
        self.hits.send_replace(records.len());
        entry
    }

    pub(super) fn hits(&self) -> usize {
        self.records.lock().len()
    }

    pub(super) fn hits_of(&self, path: &str) -> usize {
        self.records.lock().iter().filter(|record| record.seen.path() == path).count()
    }

    pub(super) fn requests(&self) -> Vec<Seen> {
        self.records.lock().iter().map(Record::snapshot).collect()
    }

    pub(super) async fn reached(&self, hits: usize) {
        let mut count = self.hits.subscribe();
        patiently(format!("request number {hits} to reach the origin"), async {
            // The journal itself holds the sender, so this cannot end with an error.
            drop(count.wait_for(|count| *count >= hits).await);
        })
        .await;
    }
}

// === impl Entry ===

impl Entry {
    pub(super) fn append(&self, piece: &[u8]) {
        self.journal.records.lock()[self.index].body.extend_from_slice(piece);
    }

    pub(super) fn complete(&self, trailers: HeaderMap) {
        let seen = &mut self.journal.records.lock()[self.index].seen;
        seen.trailers = trailers;
        seen.complete = true;
    }

    pub(super) fn snapshot(&self) -> Seen {
        self.journal.records.lock()[self.index].snapshot()
    }
}

// === impl Record ===

impl Record {
    fn snapshot(&self) -> Seen {
        Seen { body: Bytes::copy_from_slice(&self.body), ..self.seen.clone() }
    }
}
