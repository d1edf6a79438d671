//! A client's side of TLS: what can be said about it, and the handshake.

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::Dial;
use super::failed::Failed;
use super::handshake::Handshake;
use super::trust::Trust;
use super::{Client, Target};
use crate::certificates::Identity;
use crate::deadline::PATIENCE;

/// How a client speaks TLS.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    trust: Trust,
    pub(super) server_name: Option<String>,
    /// `None` for what the client speaks anyway.
    alpn: Option<Vec<Vec<u8>>>,
    identity: Option<Identity>,
    versions: Vec<&'static SupportedProtocolVersion>,
    /// All of the above as rustls has it, with the sessions that can be resumed.
    config: Arc<ClientConfig>,
}

impl Client {
    /// The same client over TLS. It believes what `trust` says: an [`&Authority`](crate::Authority), a
    /// `rustls::RootCertStore` or a [`Trust`].
    ///
    /// It asks for the address it connects to, which is sent without a server name, until [`Client::server_name`] says
    /// otherwise. Sessions are resumed where the server allows it; a call of this method, or of one of those below,
    /// forgets them.
    ///
    /// # Panics
    ///
    /// When the client has a connection already.
    #[must_use]
    pub fn tls(mut self, trust: impl Into<Trust>) -> Self {
        let dial = self.dial();
        dial.tls = Some(Tls::new(trust.into(), dial.http2));
        self
    }

    /// The host name that the certificate must be for, which is sent as the server name (SNI, RFC 6066). It is the
    /// `host` of requests too, unless [`Client::host`] says otherwise.
    ///
    /// # Panics
    ///
    /// When the client is not over TLS, or the name is none.
    #[must_use]
    pub fn server_name(self, name: &str) -> Self {
        let valid = ServerName::try_from(name).is_ok();
        assert!(valid, "`{name}` is no server name");
        self.with_tls(|tls| tls.server_name = Some(name.to_owned()))
    }

    /// What is offered by ALPN (RFC 7301), the favourite first; nothing to leave ALPN out. The client speaks what the
    /// server chooses. Default: `h2` after [`Client::http2`], `http/1.1` otherwise.
    ///
    /// # Panics
    ///
    /// When the client is not over TLS.
    #[must_use]
    pub fn alpn(self, protocols: &[&str]) -> Self {
        let offered = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self.with_tls(|tls| tls.alpn = Some(offered))
    }

    /// The certificate to show to a server that asks for one.
    ///
    /// # Panics
    ///
    /// When the client is not over TLS.
    #[must_use]
    pub fn identity(self, identity: &Identity) -> Self {
        self.with_tls(|tls| tls.identity = Some(identity.clone()))
    }

    /// The versions to offer, of [`TLS12`] and [`TLS13`]. Default: both.
    ///
    /// # Panics
    ///
    /// When the client is not over TLS.
    #[must_use]
    pub fn versions(self, versions: &[&'static SupportedProtocolVersion]) -> Self {
        self.with_tls(|tls| tls.versions = versions.to_vec())
    }

    /// The same client over HTTP/2: with TLS by ALPN, and else by prior knowledge (RFC 9113 section 3.3).
    ///
    /// # Panics
    ///
    /// When the client has a connection already.
    #[must_use]
    pub fn http2(mut self) -> Self {
        let dial = self.dial();
        dial.http2 = true;
        if let Some(tls) = &mut dial.tls {
            tls.renew(true);
        }
        self
    }

    /// Makes a handshake and nothing more, and tells what came of it.
    ///
    /// The server's verdict is waited for: in TLS 1.3 it may refuse a client after the client has thought that all is
    /// well.
    ///
    /// # Errors
    ///
    /// When either side refuses, or nothing comes within [`PATIENCE`]. [`Failed::alert`] has what the server said.
    ///
    /// # Panics
    ///
    /// When the client is not over TLS.
    pub async fn handshake(&self) -> Result<Handshake, Failed> {
        let Target::Fresh(dial) = &self.target else { panic!("the client has a connection already") };
        let waited = timeout(PATIENCE, async {
            let mut stream = self.tls_stream().await?;
            let handshake = Handshake::of(stream.get_ref().1);
            // A server that is content closes too, and one that is not says so first.
            drop(stream.shutdown().await);
            let mut rest = Vec::new();
            match stream.read_to_end(&mut rest).await {
                Err(source) if Failed::is_alert(&source) => {
                    Err(Failed::Handshake { address: dial.address, source })
                }
                Ok(_) | Err(_) => Ok(handshake),
            }
        });
        waited.await.unwrap_or(Err(Failed::NoReplyInTime))
    }

    /// A connection after its handshake, for tests that write their own bytes into it.
    ///
    /// # Errors
    ///
    /// When there is no connection or no handshake.
    ///
    /// # Panics
    ///
    /// When the client is not over TLS.
    pub async fn tls_stream(&self) -> Result<TlsStream<TcpStream>, Failed> {
        let Target::Fresh(dial) = &self.target else { panic!("the client has a connection already") };
        let Some(tls) = &dial.tls else { panic!("the client is not over TLS") };
        dial.secure(tls, dial.connect().await?).await
    }

    fn dial(&mut self) -> &mut Dial {
        match &mut self.target {
            Target::Fresh(dial) => dial,
            Target::Kept(_) => panic!("the client has a connection already, which stays as it is"),
        }
    }

    fn with_tls(mut self, change: impl FnOnce(&mut Tls)) -> Self {
        let dial = self.dial();
        let Some(tls) = &mut dial.tls else { panic!("the client is not over TLS: `tls` comes first") };
        change(tls);
        tls.renew(dial.http2);
        self
    }
}

impl Tls {
    fn new(trust: Trust, http2: bool) -> Self {
        let versions = vec![&TLS13, &TLS12];
        let config = config(&trust, None, &versions);
        let mut tls = Self { trust, server_name: None, alpn: None, identity: None, versions, config };
        tls.renew(http2);
        tls
    }

    fn renew(&mut self, http2: bool) {
        let mut config = (*config(&self.trust, self.identity.as_ref(), &self.versions)).clone();
        config.alpn_protocols = match (&self.alpn, http2) {
            (Some(alpn), _) => alpn.clone(),
            (None, true) => vec![b"h2".to_vec()],
            (None, false) => vec![b"http/1.1".to_vec()],
        };
        self.config = Arc::new(config);
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = match &self.server_name {
            Some(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
            None => ServerName::from(stream.peer_addr()?.ip()),
        };
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

fn config(
    trust: &Trust,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = trust.verifier(&provider);
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let builder = builder.unwrap_or_else(|error| panic!("a client cannot speak TLS so: {error}"));
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain(), identity.key())
            .unwrap_or_else(|error| panic!("a client cannot use {identity:?}: {error}")),
    })
}

#[cfg(test)]
mod tests;
