//! An HTTP client that does what it is told and nothing more: no redirects, no pool, no headers of its own but `host`.

mod call;
mod connection;
mod dial;
mod failed;
mod handshake;
mod reply;
mod streaming;
mod tls;
mod trust;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::call::Call;
use self::connection::{Connection, Speaks};
use self::dial::Dial;
pub use self::failed::Failed;
pub use self::handshake::Handshake;
pub use self::reply::Reply;
pub use self::streaming::Streaming;
pub use self::trust::Trust;
use crate::body::Body;
use crate::websocket::WebSocketCall;

/// Sends requests to one place. Clones are cheap and share what the first one has.
#[derive(Debug, Clone)]
pub struct Client {
    target: Target,
    /// `None` for the server name, or else the address.
    host: Option<String>,
}

#[derive(Debug, Clone)]
enum Target {
    /// A connection of its own for each request.
    Fresh(Box<Dial>),
    /// One connection for all.
    Kept(Arc<Connection>),
}

impl Client {
    /// A client that opens a connection for each request. It connects when the first request is sent.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self { target: Target::Fresh(Box::new(Dial::to(address))), host: None }
    }

    /// A client that keeps one connection to `address` alive and sends every request on it, one after the other.
    ///
    /// # Panics
    ///
    /// When it cannot connect.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::to(address).keep().await
    }

    /// A client that sends every request on this stream, which may be in memory (`tokio::io::DuplexStream`), over
    /// HTTP/1.1. Its requests are for the host `localhost` unless told otherwise.
    pub async fn over<S>(stream: S) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Connection::over(stream, Speaks::Http1, None).await;
        let connection = connection.unwrap_or_else(|failed| panic!("{failed}"));
        Self { target: Target::Kept(connection), host: Some("localhost".to_owned()) }
    }

    /// The same client with one connection, made now, for all its requests: one after the other over HTTP/1.1, all at
    /// the same time over HTTP/2.
    ///
    /// # Panics
    ///
    /// When it cannot connect.
    pub async fn keep(self) -> Self {
        self.try_keep().await.unwrap_or_else(|failed| panic!("{failed}"))
    }

    /// As [`Client::keep`], for a server that may refuse.
    ///
    /// # Errors
    ///
    /// When it cannot connect, or the handshake fails.
    pub async fn try_keep(self) -> Result<Self, Failed> {
        let host = Some(self.default_host());
        let connection = self.connection().await?;
        Ok(Self { target: Target::Kept(connection), host })
    }

    /// The same client with another `host` header for all its requests.
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        Self { host: Some(host.to_owned()), ..self }
    }

    /// The same client, connecting from this address: where all of 127.0.0.0/8 is local, as on Linux, a test can be many
    /// clients. It changes nothing for a connection that is open already.
    #[must_use]
    pub fn from_ip(mut self, ip: IpAddr) -> Self {
        if let Target::Fresh(dial) = &mut self.target {
            dial.from = Some(ip);
        }
        self
    }

    /// The same client, writing these bytes on each connection before anything else, TLS included: a header of the PROXY
    /// protocol. It changes nothing for a connection that is open already.
    #[must_use]
    pub fn preceded_by(mut self, bytes: impl Into<Bytes>) -> Self {
        if let Target::Fresh(dial) = &mut self.target {
            dial.first = bytes.into();
        }
        self
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Call {
        self.request(Method::GET, path)
    }

    /// A HEAD request.
    pub fn head(&self, path: &str) -> Call {
        self.request(Method::HEAD, path)
    }

    /// A POST request with a body whose length is announced.
    pub fn post(&self, path: &str, body: impl Into<Bytes>) -> Call {
        self.request(Method::POST, path).body(body)
    }

    /// Any request. `target` is the request target as it is to be written: a path, a whole URI or `*`.
    ///
    /// # Panics
    ///
    /// When `target` is none of these; to send such a thing on purpose there is [`Wire`](crate::Wire).
    pub fn request(&self, method: Method, target: &str) -> Call {
        Call::new(self.clone(), method, target)
    }

    /// A WebSocket handshake.
    ///
    /// # Panics
    ///
    /// When `target` is no request target.
    pub fn websocket(&self, target: &str) -> WebSocketCall {
        WebSocketCall::new(self.get(target))
    }

    /// Waits until the kept connection is closed, by whichever side. For a client that keeps none, it returns at once.
    ///
    /// # Panics
    ///
    /// When that does not happen within [`PATIENCE`](crate::PATIENCE).
    pub async fn closed(&self) {
        if let Target::Kept(connection) = &self.target {
            connection.ended().await;
        }
    }

    /// The `host` header for requests that have none.
    fn default_host(&self) -> String {
        match (&self.host, &self.target) {
            (Some(host), _) => host.clone(),
            (None, Target::Fresh(dial)) => {
                let name = dial.tls.as_ref().and_then(|tls| tls.server_name.clone());
                name.unwrap_or_else(|| dial.address.to_string())
            }
            (None, Target::Kept(_)) => "localhost".to_owned(),
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, Failed> {
        match &self.target {
            // Boxed, because a handshake is large, and tests await much in one place.
            Target::Fresh(dial) => Box::pin(dial.open()).await,
            Target::Kept(connection) => Ok(Arc::clone(connection)),
        }
    }

    /// Sends a request and waits for the head of the reply.
    async fn exchange(
        &self,
        request: http::Request<Body>,
    ) -> Result<(http::Response<Incoming>, Arc<Connection>), Failed> {
        let connection = self.connection().await?;
        let response = connection.send(request).await?;
        Ok((response, connection))
    }
}

#[cfg(test)]
mod tests;
