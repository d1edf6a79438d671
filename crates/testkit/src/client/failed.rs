//! How an exchange can fail to bring a whole reply; for tests of faults these are the results.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use super::reply::Reply;
use crate::deadline::PATIENCE;

/// Why there is no whole reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failed {
    /// The connection could not be made.
    #[error("could not connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The connection was made, but not the TLS handshake, or the server did not accept what came of it.
    #[error("the TLS handshake with {address} failed: {source}")]
    Handshake {
        /// Where to.
        address: SocketAddr,
        /// What rustls said.
        source: io::Error,
    },
    /// The connection ended before the head of a reply was there, or what came is no HTTP.
    #[error("expected a reply, but the connection ended or brought no HTTP: {source}")]
    NoReply {
        /// What hyper said.
        source: hyper::Error,
    },
    /// The head came, but not the whole body that it promised.
    #[error("the body of the reply broke off: {source}\nwhat had come:\n{so_far}")]
    BrokenOff {
        /// What had been read by then.
        so_far: Box<Reply>,
        /// What hyper said.
        source: hyper::Error,
    },
    /// No head of a reply came within [`PATIENCE`].
    #[error("no reply came within {} s", PATIENCE.as_secs())]
    NoReplyInTime,
    /// Nothing more of the body came within [`PATIENCE`].
    #[error(
        "the body of the reply did not go on within {} s; a stream is read with `open`\nwhat had come:\n{so_far}",
        PATIENCE.as_secs()
    )]
    Stalled {
        /// What had been read by then.
        so_far: Box<Reply>,
    },
}

impl Failed {
    /// What of the reply had come, when its head had.
    #[must_use]
    pub fn so_far(&self) -> Option<&Reply> {
        match self {
            Self::BrokenOff { so_far, .. } | Self::Stalled { so_far } => Some(so_far),
            Self::Connect { .. } | Self::Handshake { .. } | Self::NoReply { .. } | Self::NoReplyInTime => {
                None
            }
        }
    }

    /// The alert by which the server ended TLS (RFC 8446 section 6), such as `CertificateRequired` or `UnrecognizedName`.
    /// `None` when it sent none: then it was this client that refused, or nothing was said at all.
    #[must_use]
    pub fn alert(&self) -> Option<String> {
        match self {
            Self::Connect { source, .. } | Self::Handshake { source, .. } => alert(source),
            Self::NoReply { source } | Self::BrokenOff { source, .. } => alert(source),
            Self::NoReplyInTime | Self::Stalled { .. } => None,
        }
    }

    pub(super) fn is_alert(error: &io::Error) -> bool {
        alert(error).is_some()
    }
}

fn alert(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(rustls::Error::AlertReceived(alert)) = error.downcast_ref() {
        return Some(format!("{alert:?}"));
    }
    // An `io::Error` does not count what it holds as its source, only the source of that.
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match held {
        Some(held) => alert(held),
        None => error.source().and_then(alert),
    }
}
