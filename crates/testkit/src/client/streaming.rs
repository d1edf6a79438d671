//! A reply whose head is there and whose body is read piece by piece.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::timeout;

use super::connection::Connection;
use super::failed::Failed;
use super::reply::Reply;
use crate::deadline::PATIENCE;
use crate::events::Events;
use crate::head;

/// An open reply. Dropping it before its end closes the connection, as a client that leaves does.
#[derive(Debug)]
pub struct Streaming {
    /// The head, and of the body and trailers what has been read.
    so_far: Reply,
    body: Incoming,
    upgrade: OnUpgrade,
    /// A fresh connection belongs to its reply.
    _connection: Arc<Connection>,
}

impl Streaming {
    pub(super) fn new(mut response: http::Response<Incoming>, connection: Arc<Connection>) -> Self {
        let upgrade = hyper::upgrade::on(&mut response);
        let (head, body) = response.into_parts();
        let mut so_far = Reply::headed(head.version, head.status, head.headers);
        so_far.tls = connection.tls().cloned();
        Self { so_far, body, upgrade, _connection: connection }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.so_far.status
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.so_far.headers
    }

    /// The first value of a header, when it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        head::text(&self.so_far.headers, name)
    }

    /// Asserts the status.
    ///
    /// # Panics
    ///
    /// When it is another one, with the head.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        self.so_far.assert_status(status);
        self
    }

    /// Asserts that a header is there exactly once, with this value.
    ///
    /// # Panics
    ///
    /// When it is not, with the head.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: &str) -> &Self {
        self.so_far.assert_header(name, value);
        self
    }

    /// The next piece of the body as it came, `None` at its end.
    ///
    /// # Panics
    ///
    /// When the body breaks off or does not go on within [`PATIENCE`].
    pub async fn chunk(&mut self) -> Option<Bytes> {
        self.try_chunk().await.unwrap_or_else(|failed| panic!("{failed}"))
    }

    /// The next piece of the body as it came, `None` at its end.
    ///
    /// # Errors
    ///
    /// When the body breaks off or does not go on within [`PATIENCE`]. The error holds the head, not the pieces that were
    /// handed out before.
    pub async fn try_chunk(&mut self) -> Result<Option<Bytes>, Failed> {
        loop {
            let frame = match timeout(PATIENCE, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(source))) => {
                    return Err(Failed::BrokenOff { so_far: Box::new(self.so_far.clone()), source });
                }
                Err(_) => {
                    return Err(Failed::Stalled { so_far: Box::new(self.so_far.clone()) });
                }
            };
            match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(frame) => self.so_far.trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
    }

    /// Reads what is left of the body.
    ///
    /// # Errors
    ///
    /// When the body breaks off or does not go on within [`PATIENCE`]; what has come is in the error.
    pub async fn whole(mut self) -> Result<Reply, Failed> {
        let mut body = BytesMut::new();
        loop {
            match self.try_chunk().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => {
                    return Ok(Reply { body: body.freeze(), ..self.so_far });
                }
                Err(mut failed) => {
                    if let Failed::BrokenOff { so_far, .. } | Failed::Stalled { so_far } = &mut failed {
                        so_far.body = body.freeze();
                    }
                    return Err(failed);
                }
            }
        }
    }

    /// Reads the body as server-sent events.
    #[must_use]
    pub fn events(self) -> Events {
        Events::new(self)
    }

    /// The head, and the connection once it has switched protocols.
    pub(crate) fn into_upgrade(self) -> (Reply, OnUpgrade) {
        (self.so_far, self.upgrade)
    }
}
