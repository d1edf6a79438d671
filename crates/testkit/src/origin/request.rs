//! A request in the hands of a behaviour: the head is there, the body may still be on its way.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, request};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

use super::arrival::Arrival;
use super::seen::{Entry, Journal, Seen};
use crate::body::Gone;
use crate::head;
use crate::tasks::Tasks;

/// A request that a [`Behaviour`](crate::Behaviour) answers.
///
/// What is read of the body is recorded in the origin's [`Seen`]; what is not read is not even taken from the socket.
#[derive(Debug)]
pub struct Request {
    head: request::Parts,
    body: Incoming,
    trailers: HeaderMap,
    entry: Entry,
    recorded: bool,
    upgrade: OnUpgrade,
    tasks: Tasks,
}

impl Request {
    /// Takes the request over from hyper and writes it into the journal.
    pub(super) fn arrived(
        mut request: hyper::Request<Incoming>,
        arrival: &Arrival,
        journal: &Arc<Journal>,
        tasks: Tasks,
    ) -> Self {
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let entry = journal.arrived(Seen {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
            body: Bytes::new(),
            trailers: HeaderMap::new(),
            complete: body.is_end_stream(),
            remote: arrival.remote,
            connection: arrival.connection,
            proxied: arrival.proxied.clone(),
            tls: arrival.tls.clone(),
        });
        Self { head, body, trailers: HeaderMap::new(), entry, recorded: true, upgrade, tasks }
    }

    /// The method, target and headers.
    #[must_use]
    pub fn head(&self) -> &request::Parts {
        &self.head
    }

    /// The path of the request target, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The first value of a header, when it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        head::text(&self.head.headers, name)
    }

    /// Leaves the body out of the origin's record, for bodies too big to keep.
    pub fn do_not_record(&mut self) {
        self.recorded = false;
    }

    /// The next piece of the body as it came from the socket, `None` at its end.
    ///
    /// # Errors
    ///
    /// [`Gone`] when the sender broke the body off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Gone> {
        while let Some(frame) = self.body.frame().await {
            match frame.map_err(|_| Gone)?.into_data() {
                Ok(data) => {
                    if self.recorded {
                        self.entry.append(&data);
                    }
                    return Ok(Some(data));
                }
                Err(frame) => self.trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        self.entry.complete(self.trailers.clone());
        Ok(None)
    }

    /// Reads the body to its end and returns the whole request.
    ///
    /// # Errors
    ///
    /// [`Gone`] when the sender broke the body off.
    pub async fn whole(mut self) -> Result<Seen, Gone> {
        while self.chunk().await?.is_some() {}
        Ok(self.entry.snapshot())
    }

    /// The head, the connection once it has switched protocols, and the origin's tasks to serve it in.
    pub(crate) fn into_upgrade(self) -> (request::Parts, OnUpgrade, Tasks) {
        (self.head, self.upgrade, self.tasks)
    }
}
