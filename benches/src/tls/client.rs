//! Connections over TLS, for handshakes alone and for requests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST as HOST_HEADER;
use http::{HeaderValue, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::version::TLS13;
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Credentials, HOST};

/// How long anything may take; only what is lost takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// Nothing of an earlier connection.
    Full,
    /// A ticket, where there is one.
    Resumed,
    /// Nothing, and X25519MLKEM768 instead of X25519.
    Hybrid,
}

/// What is spoken over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A connection that requests are sent on.
pub(super) struct Connection {
    sender: Sender,
    driver: AbortHandle,
}

/// One that asks for 64 bytes.
#[derive(Clone)]
pub(super) enum Sender {
    Http1(Arc<Mutex<http1::SendRequest<Empty<Bytes>>>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

pub(super) fn server_name() -> io::Result<ServerName<'static>> {
    ServerName::try_from(HOST).map_err(io::Error::other)
}

/// A client's side of TLS. Tickets belong to it, so whoever resumes at the same time as others has one of his own.
pub(super) fn config(
    credentials: &Credentials,
    offer: Offer,
    protocol: Protocol,
) -> io::Result<Arc<ClientConfig>> {
    let mut provider = default_provider();
    provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    provider.kx_groups =
        vec![if offer == Offer::Hybrid { kx_group::X25519MLKEM768 } else { kx_group::X25519 }];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&TLS13]);
    let builder = builder.map_err(io::Error::other)?;
    let mut config = builder.with_root_certificates(credentials.roots()).with_no_client_auth();
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    if offer != Offer::Resumed {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

/// Connects, shakes hands, and closes when the other side does; tells whether a ticket was taken.
pub(super) async fn shake_hands(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<bool> {
    let shaken = timeout(PATIENCE, async {
        let mut stream = connect(address, config).await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        stream.shutdown().await?;
        // The tickets for the next one are before the end. Not everybody says that it is the end.
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest).await {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            Ok(_) | Err(_) => Ok(resumed),
        }
    });
    shaken.await?
}

pub(super) async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::clone(config)).connect(server_name()?, stream).await
}

// === impl Protocol ===

impl Protocol {
    pub(super) const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

// === impl Connection ===

impl Connection {
    pub(super) async fn open(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        protocol: Protocol,
    ) -> io::Result<Self> {
        let opened = timeout(PATIENCE, async {
            let stream = TokioIo::new(connect(address, config).await?);
            // How a connection ends is told by the request that fails.
            let (sender, driver) = match protocol {
                Protocol::Http1 => {
                    let (sender, driver) = http1::handshake(stream).await.map_err(io::Error::other)?;
                    let driver = tokio::spawn(async move { drop(driver.await) });
                    (Sender::Http1(Arc::new(Mutex::new(sender))), driver)
                }
                Protocol::Http2 => {
                    let handshake = http2::handshake(TokioExecutor::new(), stream).await;
                    let (sender, driver) = handshake.map_err(io::Error::other)?;
                    (Sender::Http2(sender), tokio::spawn(async move { drop(driver.await) }))
                }
            };
            Ok(Self { sender, driver: driver.abort_handle() })
        });
        opened.await?
    }

    /// Who asks on this connection: over HTTP/1.1 in turn with the others, over HTTP/2 at the same time.
    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

// === impl Sender ===

impl Sender {
    /// Asks for 64 bytes, and waits until they are there.
    pub(super) async fn ask(&mut self) -> io::Result<()> {
        timeout(PATIENCE, async { read(self.send().await.map_err(io::Error::other)?).await }).await?
    }

    async fn send(&mut self) -> Result<http::Response<Incoming>, hyper::Error> {
        let mut request = http::Request::new(Empty::new());
        match self {
            Self::Http1(sender) => {
                *request.uri_mut() = Uri::from_static("/64");
                request.headers_mut().insert(HOST_HEADER, HeaderValue::from_static(HOST));
                let mut sender = sender.lock().await;
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                *request.uri_mut() = Uri::from_static("https://bench.test/64");
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

async fn read(response: http::Response<Incoming>) -> io::Result<()> {
    let status = response.status();
    let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    if status == StatusCode::OK && body.len() == 64 {
        Ok(())
    } else {
        Err(io::Error::other(format!("expected 64 bytes, but came {status} and {} bytes", body.len())))
    }
}

#[cfg(test)]
mod tests {
    use headwall_testkit::Origin;

    use super::*;

    async fn origin(credentials: &Credentials, body: &'static str) -> Origin {
        Origin::builder().tls(credentials.identity()).route("/64", body).start().await
    }

    #[tokio::test]
    async fn handshakes_are_of_the_kind_that_was_asked_for() {
        let credentials = Credentials::p256();
        let origin = origin(&credentials, "").await;
        let table = [
            (Offer::Full, [false, false, false]),
            (Offer::Resumed, [false, true, true]),
            (Offer::Hybrid, [false, false, false]),
        ];
        for (offer, expected) in table {
            let config = config(&credentials, offer, Protocol::Http1).unwrap();
            for (turn, resumed) in expected.into_iter().enumerate() {
                let shaken = shake_hands(origin.address(), &config).await.unwrap();
                assert_eq!(shaken, resumed, "{offer:?}, handshake {turn}");
            }
        }
    }

    #[tokio::test]
    async fn a_handshake_with_somebody_else_fails() {
        let origin = origin(&Credentials::p256(), "").await;
        let config = config(&Credentials::p256(), Offer::Full, Protocol::Http1).unwrap();
        shake_hands(origin.address(), &config).await.unwrap_err();
    }

    #[tokio::test]
    async fn sixty_four_bytes_are_asked_for_again_and_again_on_one_connection() {
        const BODY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let credentials = Credentials::p256();
        for (number, protocol) in Protocol::ALL.into_iter().enumerate() {
            let origin = origin(&credentials, BODY).await;
            let config = config(&credentials, Offer::Full, protocol).unwrap();
            let connection = Connection::open(origin.address(), &config, protocol).await.unwrap();
            for _ in 0..3 {
                connection.sender().ask().await.unwrap();
            }
            assert_eq!((origin.hits(), origin.connections()), (3, 1), "{protocol:?}");
            let seen = origin.requests().pop().unwrap();
            assert_eq!(seen.host(), Some(HOST), "{protocol:?}");
            assert_eq!(seen.version == http::Version::HTTP_2, number == 1, "{protocol:?}");
        }
    }

    #[tokio::test]
    async fn another_answer_is_none() {
        let credentials = Credentials::p256();
        let origin = origin(&credentials, "short").await;
        let config = config(&credentials, Offer::Full, Protocol::Http2).unwrap();
        let connection = Connection::open(origin.address(), &config, Protocol::Http2).await.unwrap();
        let failed = connection.sender().ask().await.unwrap_err().to_string();
        assert!(failed.contains("came 200 OK and 5 bytes"), "{failed}");
    }
}
