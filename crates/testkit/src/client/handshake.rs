//! What a client learns in a TLS handshake.

use rustls::ClientConnection;

use crate::certificates::Certificate;

/// A handshake that came to its end, from [`Client::handshake`](crate::Client::handshake) or
/// [`Reply::tls`](crate::Reply::tls).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Handshake {
    /// `TLSv1_2` or `TLSv1_3`.
    pub version: String,
    /// The cipher suite as rustls names it, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// The group of the key exchange, such as `X25519MLKEM768`; `None` for a resumed session that had none.
    pub key_exchange: Option<String>,
    /// What was agreed on by ALPN (RFC 7301), such as `h2`.
    pub alpn: Option<String>,
    /// Whether a session went on that this client, or a clone of it, had begun.
    pub resumed: bool,
    /// The server's certificates as they were sent, its own first. Of a resumed session, those it began with.
    pub chain: Vec<Certificate>,
}

impl Handshake {
    pub(super) fn of(connection: &ClientConnection) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        Self {
            version: connection.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
            cipher_suite: connection
                .negotiated_cipher_suite()
                .map(|suite| format!("{:?}", suite.suite()))
                .unwrap_or_default(),
            key_exchange: connection
                .negotiated_key_exchange_group()
                .map(|group| format!("{:?}", group.name())),
            alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into()),
            resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            chain: chain.iter().map(|der| Certificate::new(der.clone().into_owned())).collect(),
        }
    }

    /// The server's certificate.
    ///
    /// # Panics
    ///
    /// When it sent none.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        self.chain.first().unwrap_or_else(|| panic!("the server sent no certificate"))
    }

    /// The serial number of the server's certificate, as [`Certificate::serial`].
    ///
    /// # Panics
    ///
    /// When it sent no certificate.
    #[must_use]
    pub fn serial(&self) -> String {
        self.certificate().serial()
    }
}
