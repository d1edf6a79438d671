//! Why a handshake has come to nothing.

use std::io;

use headwall_tls::Refusal;

use crate::proxy_protocol::ProxyProtocolError;

/// How a handshake failed, told apart as finely as an operator can act on it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It was not over in time.
    #[error("it took too long")]
    Timeout,
    /// The client has gone away.
    #[error("the client closed the connection")]
    Closed,
    /// The client speaks HTTP without TLS.
    #[error("the client speaks HTTP without TLS")]
    PlainHttp,
    /// No site answers, or not yet.
    #[error("{refusal}: {}", host.as_deref().unwrap_or("none was given"))]
    Refused {
        /// What there is not.
        refusal: Refusal,
        /// The host that was asked for.
        host: Option<Box<str>>,
    },
    /// A CA asks for a challenge that nobody knows of.
    #[error("a challenge was asked for that nobody knows of")]
    NoChallenge,
    /// The client has sent an alert: it does not like what it was shown.
    #[error("the client refused: {0:?}")]
    Alert(rustls::AlertDescription),
    /// Client and site have no version, cipher or protocol in common.
    #[error("{0}")]
    Incompatible(rustls::Error),
    /// The client's certificate is missing or does not verify.
    #[error("{0}")]
    ClientCertificate(rustls::Error),
    /// What the client has sent is not TLS, or breaks its rules.
    #[error("{0}")]
    Malformed(io::Error),
    /// The PROXY header in front of the connection is missing or malformed.
    #[error("{0}")]
    ProxyProtocol(ProxyProtocolError),
}

/// Every word by which failures are counted.
pub(super) const REASONS: [&str; 11] = [
    "timeout",
    "closed",
    "plain_http",
    "unknown_name",
    "no_certificate",
    "no_challenge",
    "alert",
    "incompatible",
    "client_certificate",
    "malformed",
    "proxy_protocol",
];

impl Failure {
    /// Reads what tokio-rustls says.
    pub(crate) fn of(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        if matches!(
            error.kind(),
            UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected
        ) {
            return Self::Closed;
        }
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return Self::Malformed(error);
        };
        if let rustls::Error::AlertReceived(alert) = tls {
            return Self::Alert(*alert);
        }
        let tls = tls.clone();
        if matches!(tls, rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol) {
            return Self::Incompatible(tls);
        }
        if matches!(tls, rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)) {
            return Self::ClientCertificate(tls);
        }
        Self::Malformed(error)
    }

    /// The word by which it is counted.
    pub(crate) fn reason(&self) -> &'static str {
        REASONS[self.index()]
    }

    /// Where that word stands in [`REASONS`].
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Timeout => 0,
            Self::Closed => 1,
            Self::PlainHttp => 2,
            Self::Refused { refusal: Refusal::UnknownName, .. } => 3,
            Self::Refused { refusal: Refusal::NoCertificate, .. } => 4,
            Self::NoChallenge => 5,
            Self::Alert(_) => 6,
            Self::Incompatible(_) => 7,
            Self::ClientCertificate(_) => 8,
            Self::Malformed(_) => 9,
            Self::ProxyProtocol(_) => 10,
        }
    }
}
