//! The TLS handshake with a client.
//!
//! The first message is read before anything is decided, because it names the host, and with it the site whose
//! certificate, versions and ciphers count. A handshake that asks for `acme-tls/1` is a CA's, which looks whether we
//! hold a challenge's certificate (RFC 8737): it gets that and nothing else.

mod failure;
mod metrics;
mod peer;
mod summary;

use std::net::SocketAddr;
use std::sync::Arc;

use headwall_core::connection::Tls;
use headwall_tls::{Hello, Sites};
use rustls::server::Acceptor;
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Socket;

pub(crate) use failure::Failure;
pub use metrics::HandshakeMetrics;
pub(crate) use summary::Summary;

/// What clients are told who speak plain HTTP where TLS is spoken.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\
    Content-Length: 62\r\nConnection: close\r\n\r\n{\"error\":\"This port speaks HTTPS. Use https:// to reach it.\"}\n";

/// What TLS listeners go by.
#[derive(Debug, Default)]
pub struct Secure {
    /// The sites that speak TLS.
    pub sites: Sites,
    /// Who knows of challenges, if anybody does.
    pub challenges: Option<Arc<dyn Challenges>>,
}

/// Certificates that prove to a CA who is in charge of a name (RFC 8737).
#[async_trait::async_trait]
pub trait Challenges: std::fmt::Debug + Send + Sync {
    /// What is to be shown to a CA that asks for this name.
    async fn find(&self, server_name: &str) -> Option<Arc<CertifiedKey>>;
}

/// Makes the handshake. `Ok(None)` is a CA that has seen what it came for.
pub(crate) async fn accept(
    socket: Socket,
    local: Option<SocketAddr>,
    http2: bool,
    secure: &Secure,
) -> Result<Option<(TlsStream<Socket>, Tls)>, Failure> {
    let socket = refuse_plain_http(socket).await?;
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), socket).await.map_err(Failure::of)?;
    let hello = start.client_hello();
    if hello
        .alpn()
        .is_some_and(|mut offered| offered.next() == Some(headwall_tls::ACME_TLS) && offered.next().is_none())
    {
        let name = hello.server_name().map(str::to_owned);
        let key = match (&secure.challenges, name) {
            (Some(challenges), Some(name)) => challenges.find(&name).await,
            (_, _) => None,
        };
        let config =
            headwall_tls::challenge(key.ok_or(Failure::NoChallenge)?).map_err(Failure::Incompatible)?;
        start.into_stream(config).await.map_err(Failure::of)?.shutdown().await.map_err(Failure::of)?;
        return Ok(None);
    }
    let schemes = hello.signature_schemes();
    let hello =
        Hello { server_name: hello.server_name(), local: local.map(|local| local.ip()), schemes, http2 };
    let host = hello.host().map(|host| Box::from(&*host));
    let config = match secure.sites.agree(hello) {
        Ok(config) => config,
        Err(refusal) => {
            // Nothing is encrypted yet, so an alert is its seven bytes (RFC 8446, 5.1 and 6).
            let alert = [21, 3, 3, 0, 2, 2, refusal.alert()];
            start.io.write_all(&alert).await.map_err(Failure::of)?;
            return Err(Failure::Refused { refusal, host });
        }
    };
    let stream = start.into_stream(config).await.map_err(Failure::of)?;
    let tls = peer::describe(stream.get_ref().1, host);
    Ok(Some((stream, tls)))
}

/// Tells clients that have mistaken the port in words that they understand.
async fn refuse_plain_http(mut socket: Socket) -> Result<Socket, Failure> {
    let mut first = [0; 1];
    let seen = socket.peek(&mut first).await.map_err(Failure::of)?;
    if seen == 1 && first[0].is_ascii_uppercase() {
        socket.write_all(PLAIN_HTTP).await.map_err(Failure::of)?;
        // Closing with something unread would take the answer away from the client.
        socket.shutdown().await.map_err(Failure::of)?;
        let mut rest = [0; 1024];
        for _ in 0..16 {
            if tokio::io::AsyncReadExt::read(&mut socket, &mut rest).await.map_err(Failure::of)? == 0 {
                break;
            }
        }
        return Err(Failure::PlainHttp);
    }
    Ok(socket)
}
