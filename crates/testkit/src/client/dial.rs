//! How a client comes to a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use super::connection::{Connection, Speaks};
use super::failed::Failed;
use super::handshake::Handshake;
use super::tls::Tls;

/// Where to, and how.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    pub(super) address: SocketAddr,
    pub(super) from: Option<IpAddr>,
    /// Written before anything else.
    pub(super) first: Bytes,
    pub(super) tls: Option<Tls>,
    pub(super) http2: bool,
}

impl Dial {
    pub(super) fn to(address: SocketAddr) -> Self {
        Self { address, from: None, first: Bytes::new(), tls: None, http2: false }
    }

    /// A connection that requests can be sent on.
    pub(super) async fn open(&self) -> Result<Arc<Connection>, Failed> {
        let stream = self.connect().await?;
        let Some(tls) = &self.tls else {
            let speaks = if self.http2 { Speaks::Http2 } else { Speaks::Http1 };
            return Connection::over(stream, speaks, None).await;
        };
        let stream = self.secure(tls, stream).await?;
        let handshake = Handshake::of(stream.get_ref().1);
        let speaks = match handshake.alpn.as_deref() {
            Some("h2") => Speaks::Http2,
            None if self.http2 => Speaks::Http2,
            Some(_) | None => Speaks::Http1,
        };
        Connection::over(stream, speaks, Some(handshake)).await
    }

    /// A connection, and what goes before everything else on its way.
    pub(super) async fn connect(&self) -> Result<TcpStream, Failed> {
        let connected = self.tcp().await;
        connected.map_err(|source| Failed::Connect { address: self.address, source })
    }

    pub(super) async fn secure(&self, tls: &Tls, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failed> {
        let secured = tls.connect(stream).await;
        secured.map_err(|source| Failed::Handshake { address: self.address, source })
    }

    async fn tcp(&self) -> io::Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(ip) = self.from {
            socket.bind(SocketAddr::new(ip, 0))?;
        }
        let mut stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&self.first).await?;
        Ok(stream)
    }
}
