//! Exchanges with servers that no client of ours takes part in.
//!
//! The gateway's exchanges run through Pingora's proxy, from one stream to the other. What a cache, a mirror or a filter wants
//! to know is asked here: a request with a body that is there, and an answer that is read piece by piece. Who is asked, and
//! what becomes of a failure, is up to the caller.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::Scheme;
use http::{Uri, Version};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};

use crate::gateway::retry;
use crate::head::{RequestHead, ResponseHead};

/// Connections to servers.
#[derive(Clone)]
pub(super) struct Calls(Arc<Connector>);

/// One exchange. Dropping it breaks it off.
pub(super) struct Call {
    session: HttpSession,
    peer: Box<HttpPeer>,
    connector: Arc<Connector>,
    /// Whether the connection has carried another exchange before.
    pub(super) is_reused: bool,
}

/// How long each step of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// Between two writes.
    pub(super) send: Duration,
    /// Until the answer begins.
    pub(super) first_byte: Duration,
    /// Between two reads of its body.
    pub(super) read: Duration,
}

// === impl Calls ===

impl Calls {
    /// Has no connections yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Connector::new(None)))
    }

    /// Takes a connection that was kept, or opens one.
    pub(super) async fn open(&self, peer: Box<HttpPeer>) -> Result<Call> {
        let (session, is_reused) = self.0.get_http_session(&*peer).await.map_err(|error| error.into_up())?;
        Ok(Call { session, peer, connector: self.0.clone(), is_reused })
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

// === impl Call ===

impl Call {
    /// The server that is spoken to.
    pub(super) fn peer(&self) -> &HttpPeer {
        &self.peer
    }

    /// What is known of the connection.
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.session.digest()
    }

    /// Sends a request, which says nothing that concerns one hop, and reads the head of the answer.
    pub(super) async fn ask(
        &mut self,
        mut req: RequestHead,
        body: Bytes,
        waits: Waits,
    ) -> Result<ResponseHead> {
        if !body.is_empty() {
            req.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        req.version = Version::HTTP_11;
        // HTTP/2 has told host and scheme in the target, and is told there again.
        req.uri = req.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        if let HttpSession::H2(_) = self.session {
            let unnamed = || Error::explain(ErrorType::InvalidHTTPHeader, "no host").into_down();
            req = for_http2(req, self.peer.is_tls()).ok_or_else(unnamed)?;
        }
        let Waits { send, first_byte, read } = waits;
        self.session.set_write_timeout(Some(send));
        self.session.set_read_timeout(Some(first_byte));
        let head = self.exchange(req, body).await.map_err(|error| error.into_up())?;
        self.session.set_read_timeout(Some(read));
        Ok(head)
    }

    async fn exchange(&mut self, req: RequestHead, body: Bytes) -> Result<ResponseHead> {
        let session = &mut self.session;
        session.write_request_header(Box::new(req.into())).await?;
        if !body.is_empty() {
            session.write_request_body(body, false).await?;
        }
        session.finish_request_body().await?;
        let mut informational = 0;
        loop {
            session.read_response_header().await?;
            let no_head = || Error::explain(ErrorType::InvalidHTTPHeader, "no head in the answer");
            let head = session.response_header().ok_or_else(no_head)?;
            if !retry::is_followed(head.status, &mut informational)? {
                return Ok(head.clone().into());
            }
        }
    }

    /// The next piece of the answer's body.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>> {
        self.session.read_response_body().await.map_err(|error| error.into_up())
    }

    /// The whole answer was read: the connection waits for the next request.
    pub(super) async fn rest(mut self) {
        if let HttpSession::H1(session) = &mut self.session {
            session.respect_keepalive();
        }
        let idle = self.peer.options.idle_timeout;
        self.connector.release_http_session(self.session, &*self.peer, idle).await;
    }
}

/// Tells host and scheme in the target, as HTTP/2 does (RFC 9113, 8.3.1). `None` without a host that can be told.
fn for_http2(mut req: RequestHead, is_tls: bool) -> Option<RequestHead> {
    let host = req.headers.remove(HOST)?;
    let mut parts = std::mem::take(&mut req.uri).into_parts();
    parts.authority = Some(host.as_bytes().try_into().ok()?);
    parts.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    req.uri = Uri::from_parts(parts).ok()?;
    req.version = Version::HTTP_2;
    Some(req)
}
