//! The certificate that everybody has, and who issued it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use headwall_testkit::{Authority, Identity};
use rustls::{ClientConnection, RootCertStore, StreamOwned};
use tokio_rustls::client::TlsStream;

use super::HOST;
use super::client::{self, Offer, Protocol};

/// A certificate with one intermediate, as public CAs issue them.
#[derive(Debug)]
pub struct Credentials {
    authority: Authority,
    identity: Identity,
}

impl Credentials {
    /// With a key on P-256.
    pub(crate) fn p256() -> Self {
        let authority = Authority::new();
        let identity = authority.certificate(&[HOST]).through_intermediate().issue();
        Self { authority, identity }
    }

    /// With an RSA key of 2048 bits; those above are on P-256.
    pub(super) fn rsa() -> Self {
        let authority = Authority::new();
        let identity = authority.certificate(&[HOST]).rsa().through_intermediate().issue();
        Self { authority, identity }
    }

    #[cfg(test)]
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn roots(&self) -> RootCertStore {
        self.authority.roots()
    }

    /// Writes `fullchain.pem`, `privkey.pem`, and `both.pem` for HAProxy.
    ///
    /// # Errors
    ///
    /// When `both.pem` cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        self.identity.write(dir);
        let mut options = fs::OpenOptions::new();
        let mut both =
            options.write(true).create(true).truncate(true).mode(0o600).open(dir.join("both.pem"))?;
        both.write_all(self.identity.pem().as_bytes())
    }

    /// Connects over TLS, with nothing but HTTP/1.1 on offer.
    ///
    /// # Errors
    ///
    /// When there is no connection, or somebody else at its end.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<tokio::net::TcpStream>> {
        client::connect(address, &client::config(self, Offer::Full, Protocol::Http1)?).await
    }

    /// Whether `GET path` at `address` is answered with 200.
    pub fn is_ok(&self, address: SocketAddr, path: &str) -> bool {
        let ask = || -> io::Result<bool> {
            let config = client::config(self, Offer::Full, Protocol::Http1)?;
            let connection =
                ClientConnection::new(config, client::server_name()?).map_err(io::Error::other)?;
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            let mut stream = StreamOwned::new(connection, stream);
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")?;
            let mut start = [0; 12];
            stream.read_exact(&mut start)?;
            Ok(start == *b"HTTP/1.1 200")
        };
        ask().unwrap_or(false)
    }
}
