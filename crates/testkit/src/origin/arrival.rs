//! How a connection becomes one that requests can be read from: the PROXY protocol's header, TLS, the version of HTTP.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::proxied::{self, Proxied};
use crate::body::Body;
use crate::certificates::{Authority, Certificate, Identity};
use crate::tasks::Tasks;

/// What an origin speaks.
#[derive(Debug, Default)]
pub(super) struct Speaks {
    pub(super) identity: Option<Identity>,
    /// `None` for what the origin speaks anyway.
    pub(super) alpn: Option<Vec<Vec<u8>>>,
    pub(super) clients: Option<Authority>,
    pub(super) http2: bool,
    pub(super) proxy_protocol: bool,
}

/// What there is to know of a connection before its first request.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) remote: SocketAddr,
    pub(super) connection: usize,
    pub(super) proxied: Option<Proxied>,
    pub(super) tls: Option<SeenTls>,
}

/// TLS as an origin has seen it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SeenTls {
    /// The server name that the client asked for (SNI, RFC 6066), when it did.
    pub server_name: Option<String>,
    /// What was agreed on by ALPN (RFC 7301), such as `h2`.
    pub alpn: Option<String>,
    /// `TLSv1_2` or `TLSv1_3`.
    pub version: String,
    /// Whether the client came back with a session that it had.
    pub resumed: bool,
    /// The certificate that the client has shown, verified.
    pub client: Option<Certificate>,
}

// === impl Speaks ===

impl Speaks {
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        let identity = self.identity.as_ref()?;
        Some(TlsAcceptor::from(Arc::new(self.config(identity))))
    }

    fn config(&self, identity: &Identity) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = versions.unwrap_or_else(|error| panic!("an origin cannot speak TLS: {error}"));
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), provider)
                        .build();
                let verifier = verifier.unwrap_or_else(|error| panic!("clients cannot be verified: {error}"));
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(identity.chain(), identity.key());
        let mut config = config.unwrap_or_else(|error| panic!("an origin cannot use {identity:?}: {error}"));
        config.alpn_protocols = match (&self.alpn, self.http2) {
            (Some(alpn), _) => alpn.clone(),
            (None, true) => vec![b"h2".to_vec()],
            (None, false) => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        config
    }

    /// Serves the requests of a connection until it ends.
    pub(super) async fn serve<S>(
        &self,
        mut stream: TcpStream,
        acceptor: Option<TlsAcceptor>,
        mut arrival: Arrival,
        tasks: Tasks,
        service: impl FnOnce(Arrival) -> S,
    ) -> io::Result<()>
    where
        S: Service<http::Request<Incoming>, Response = http::Response<Body>, Error = Infallible>,
        S::Future: Send + 'static,
    {
        // Tests look at single writes; Nagle's algorithm would hold some of them back.
        drop(stream.set_nodelay(true));
        if self.proxy_protocol {
            arrival.proxied = Some(proxied::read(&mut stream).await?);
        }
        let Some(acceptor) = acceptor else {
            return requests(stream, self.http2, tasks, service(arrival)).await;
        };
        let stream = acceptor.accept(stream).await?;
        let tls = SeenTls::of(stream.get_ref().1);
        let http2 = self.http2 || tls.alpn.as_deref() == Some("h2");
        arrival.tls = Some(tls);
        requests(stream, http2, tasks, service(arrival)).await
    }
}

// === impl SeenTls ===

impl SeenTls {
    fn of(connection: &ServerConnection) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        Self {
            server_name: connection.server_name().map(str::to_owned),
            alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into()),
            version: connection.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
            resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            client: chain.first().map(|der| Certificate::new(der.clone().into_owned())),
        }
    }
}

async fn requests<I, S>(stream: I, http2: bool, tasks: Tasks, service: S) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<http::Request<Incoming>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let stream = TokioIo::new(stream);
    let served = if http2 {
        http2::Builder::new(tasks).serve_connection(stream, service).await
    } else {
        http1::Builder::new().serve_connection(stream, service).with_upgrades().await
    };
    served.map_err(io::Error::other)
}
