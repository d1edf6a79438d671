//! One connection of a client, driven by tasks that end with it.

use std::sync::Arc;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, watch};

use super::failed::Failed;
use super::handshake::Handshake;
use crate::body::Body;
use crate::deadline::patiently;
use crate::tasks::Tasks;

/// Dropping it closes the connection, unless that has become a tunnel.
#[derive(Debug)]
pub(super) struct Connection {
    sender: Sender,
    /// What was agreed on, when the connection is over TLS.
    tls: Option<Arc<Handshake>>,
    driver: Tasks,
    /// Its sender is dropped when the driver ends.
    ended: watch::Receiver<()>,
}

/// The version of HTTP on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
}

#[derive(Debug)]
enum Sender {
    /// One request after the other.
    Http1(Mutex<http1::SendRequest<Body>>),
    /// All at the same time.
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    pub(super) async fn over<S>(
        stream: S,
        speaks: Speaks,
        tls: Option<Handshake>,
    ) -> Result<Arc<Self>, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        let no_reply = |source| Failed::NoReply { source };
        let driver = Tasks::new();
        let (running, ended) = watch::channel(());
        // What goes wrong with a connection is told to the one who waits for the reply or its body.
        let sender = match speaks {
            Speaks::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.map_err(no_reply)?;
                driver.spawn(async move {
                    drop(connection.with_upgrades().await);
                    drop(running);
                });
                Sender::Http1(Mutex::new(sender))
            }
            Speaks::Http2 => {
                let handshake = http2::handshake(driver.clone(), stream).await;
                let (sender, connection) = handshake.map_err(no_reply)?;
                driver.spawn(async move {
                    drop(connection.await);
                    drop(running);
                });
                Sender::Http2(sender)
            }
        };
        Ok(Arc::new(Self { sender, tls: tls.map(Arc::new), driver, ended }))
    }

    /// Sends, over HTTP/1.1 when the reply before this one has been read, and returns the head of its own reply.
    pub(super) async fn send(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Incoming>, Failed> {
        let sent = async {
            match &self.sender {
                Sender::Http1(sender) => {
                    let mut sender = sender.lock().await;
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    let mut sender = sender.clone();
                    sender.ready().await?;
                    sender.send_request(for_http2(request, self.tls.is_some())).await
                }
            }
        };
        sent.await.map_err(|source| Failed::NoReply { source })
    }

    pub(super) fn tls(&self) -> Option<&Arc<Handshake>> {
        self.tls.as_ref()
    }

    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        patiently("a connection to be closed", async { while ended.changed().await.is_ok() {} }).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.stop();
    }
}

/// The `host` of a request goes where HTTP/2 has it: `:authority` (RFC 9113 section 8.3.1).
fn for_http2(mut request: http::Request<Body>, secure: bool) -> http::Request<Body> {
    *request.version_mut() = Version::HTTP_2;
    let mut uri = request.uri().clone().into_parts();
    if uri.authority.is_none()
        && let Some(host) = request.headers_mut().remove(HOST)
    {
        let authority = Authority::try_from(host.as_bytes())
            .unwrap_or_else(|_| panic!("{host:?} is no authority, which HTTP/2 has for a host"));
        uri.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
        uri.authority = Some(authority);
        uri.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        *request.uri_mut() =
            Uri::from_parts(uri).unwrap_or_else(|error| panic!("the target has no form in HTTP/2: {error}"));
    }
    request
}
