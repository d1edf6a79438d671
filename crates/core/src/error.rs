//! What can go wrong with one request, and what its client is told.
//!
//! An [`Error`] is never a refusal: those are replies that somebody chose ([`Flow::Reply`](crate::Flow::Reply)).
//! Each variant maps to one status and one reason word; both tables stand here and nowhere else. The client gets a
//! short public sentence, the log gets the chain of causes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pingora_error::{ErrorSource, ErrorType};

use crate::LocalReply;

/// Any error of a module.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A filter or a service failed.
    #[error("{module} failed")]
    Module {
        /// The name of the module in the config.
        module: Arc<str>,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// Every server of an upstream is down.
    #[error("upstream {upstream} has no healthy server")]
    NoHealthyServer {
        /// The upstream's name.
        upstream: Arc<str>,
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// An upstream could not tell where to send a request.
    #[error("upstream {upstream} found no server")]
    NoPeer {
        /// The upstream's name.
        upstream: Arc<str>,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// The exchange with a server failed.
    #[error("{0}")]
    Exchange(Failure),
}

/// How an exchange failed, told apart as finely as a client or an operator can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody listens there.
    ConnectRefused,
    /// The connection was not open in time.
    ConnectTimeout,
    /// The connection could not be opened for another reason.
    ConnectFailed,
    /// The TLS handshake with the server failed.
    Tls,
    /// The server did not answer, or stopped answering, in time.
    ReadTimeout,
    /// The server did not take the request in time.
    SendTimeout,
    /// All attempts together, or the whole answer, took longer than was allowed.
    Overdue,
    /// The server closed or reset the connection before its answer was complete.
    Closed,
    /// The server's answer is not HTTP, or not one that can be passed on.
    InvalidResponse,
    /// The client closed the connection.
    ClientClosed,
    /// The client was too slow to send its request or to take the answer.
    ClientTimeout,
    /// The client's request is not one that can be passed on.
    InvalidRequest,
    /// Something here failed.
    Internal,
}

// === impl Error ===

impl Error {
    /// An error of the named module.
    pub fn module(module: &str, source: impl Into<BoxError>) -> Self {
        Self::Module { module: module.into(), source: source.into() }
    }

    /// What the named module said, unless it passes an error of ours on.
    pub(crate) fn said_by(module: &str, source: BoxError) -> Self {
        match source.downcast::<Self>() {
            Ok(error) => *error,
            Err(source) => Self::module(module, source),
        }
    }

    /// The status that the client gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Module { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoHealthyServer { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoPeer { .. } => StatusCode::BAD_GATEWAY,
            Self::Exchange(failure) => failure.status(),
        }
    }

    /// The word for log and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Module { .. } => "module_error",
            Self::NoHealthyServer { .. } => "no_healthy_server",
            Self::NoPeer { .. } => "upstream_unknown_peer",
            Self::Exchange(failure) => failure.reason(),
        }
    }

    /// The answer for the client: nothing in it comes from the inside.
    pub fn reply(&self) -> LocalReply {
        let reply = LocalReply::error(self.status(), self.reason());
        match self {
            Self::NoHealthyServer { retry_after, .. } => reply.retry_after(*retry_after),
            Self::Module { .. } | Self::NoPeer { .. } | Self::Exchange(_) => reply,
        }
    }
}

// === impl Failure ===

impl Failure {
    /// Reads Pingora's error, which tells the side and the kind.
    pub fn of(error: &pingora_error::Error) -> Self {
        match error.esource() {
            ErrorSource::Downstream => Self::of_client(error.etype()),
            ErrorSource::Upstream if is_tls_alert(error) => Self::Tls,
            ErrorSource::Upstream => Self::of_upstream(error.etype()),
            ErrorSource::Internal | ErrorSource::Unset => Self::Internal,
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "Pingora's list is long and open; the rest is one case for us"
    )]
    fn of_client(kind: &ErrorType) -> Self {
        match kind {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Self::ClientTimeout,
            ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => Self::ClientClosed,
            _ => Self::InvalidRequest,
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "Pingora's list is long and open; the rest is one case for us"
    )]
    fn of_upstream(kind: &ErrorType) -> Self {
        match kind {
            ErrorType::ConnectRefused => Self::ConnectRefused,
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Self::ConnectTimeout,
            ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::BindError
            | ErrorType::SocketError
            | ErrorType::ConnectProxyFailure => Self::ConnectFailed,
            ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError => Self::Tls,
            ErrorType::ReadTimedout => Self::ReadTimeout,
            ErrorType::WriteTimedout => Self::SendTimeout,
            // On HTTP/2 one exchange is broken off without the connection (RFC 9113, 5.4.2).
            ErrorType::ConnectionClosed
            | ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::H2Error => Self::Closed,
            _ => Self::InvalidResponse,
        }
    }

    /// The status that the client gets.
    pub fn status(self) -> StatusCode {
        match self {
            Self::ConnectRefused | Self::ConnectFailed | Self::Tls | Self::Closed | Self::InvalidResponse => {
                StatusCode::BAD_GATEWAY
            }
            Self::ConnectTimeout | Self::ReadTimeout | Self::SendTimeout | Self::Overdue => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::ClientClosed | Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word for log and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ConnectRefused => "upstream_connect_refused",
            Self::ConnectTimeout => "upstream_connect_timeout",
            Self::ConnectFailed => "upstream_connect_failed",
            Self::Tls => "upstream_tls_failed",
            Self::ReadTimeout => "upstream_read_timeout",
            Self::SendTimeout => "upstream_send_timeout",
            Self::Overdue => "upstream_total_timeout",
            Self::Closed => "upstream_closed",
            Self::InvalidResponse => "upstream_invalid_response",
            Self::ClientClosed => "client_closed",
            Self::ClientTimeout => "client_timeout",
            Self::InvalidRequest => "invalid_request",
            Self::Internal => "internal_error",
        }
    }

    /// Whether the upstream is to blame, and not the client or Headwall itself.
    pub fn is_upstreams(self) -> bool {
        match self {
            Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::ConnectFailed
            | Self::Tls
            | Self::ReadTimeout
            | Self::SendTimeout
            | Self::Overdue
            | Self::Closed
            | Self::InvalidResponse => true,
            Self::ClientClosed | Self::ClientTimeout | Self::InvalidRequest | Self::Internal => false,
        }
    }

    /// Whether the connection to the client is of no more use.
    pub(crate) fn is_client_gone(self) -> bool {
        self == Self::ClientClosed
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// Whether the other end has said that it does not accept the handshake. In TLS 1.3 that comes when we have long begun to
/// speak, such as when it wants a certificate of ours (RFC 8446, 4.4.2.4).
fn is_tls_alert(error: &pingora_error::Error) -> bool {
    let io = error.root_cause().downcast_ref::<std::io::Error>();
    let tls = io.and_then(|io| io.get_ref()?.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::AlertReceived(_)))
}

/// An error with its causes, as the log is told of it.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What an error of Pingora's says at its core. Around it stand the layers that it went through, of use to their authors.
pub fn cause_of(error: &pingora_error::Error) -> String {
    let text = error.to_string();
    // What follows the name of the server is where we were when it failed.
    let text = text.split_once(", SNI: ").map_or(text.as_str(), |(until, _)| until);
    let inner = ["cause: ", "context: "].iter().find_map(|word| Some(text.rsplit_once(word)?.1));
    inner.unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(source: ErrorSource, kind: ErrorType) -> Failure {
        let mut error = pingora_error::Error::new(kind);
        error.esource = source;
        Failure::of(&error)
    }

    #[test]
    fn timeouts_are_told_from_failures_to_connect() {
        let rows = [
            (ErrorSource::Upstream, ErrorType::ConnectRefused, 502, "upstream_connect_refused"),
            (ErrorSource::Upstream, ErrorType::ConnectTimedout, 504, "upstream_connect_timeout"),
            (ErrorSource::Upstream, ErrorType::ReadTimedout, 504, "upstream_read_timeout"),
            (ErrorSource::Upstream, ErrorType::WriteTimedout, 504, "upstream_send_timeout"),
            (ErrorSource::Upstream, ErrorType::ConnectionClosed, 502, "upstream_closed"),
            (ErrorSource::Upstream, ErrorType::H2Error, 502, "upstream_closed"),
            (ErrorSource::Upstream, ErrorType::TLSHandshakeFailure, 502, "upstream_tls_failed"),
            (ErrorSource::Upstream, ErrorType::InvalidHTTPHeader, 502, "upstream_invalid_response"),
            (ErrorSource::Downstream, ErrorType::ReadTimedout, 408, "client_timeout"),
            (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader, 400, "invalid_request"),
            (ErrorSource::Internal, ErrorType::InternalError, 500, "internal_error"),
        ];
        for (source, kind, status, reason) in rows {
            let row = format!("{source:?} {kind:?}");
            let failure = failure(source, kind);
            assert_eq!((failure.status().as_u16(), failure.reason()), (status, reason), "{row}");
        }
    }
    #[test]
    fn the_core_of_an_error_is_told_without_its_layers() {
        use pingora_error::Error;
        let io = || std::io::Error::other("the wire is cut");
        let tls = "TLS connect() failed:  TLSHandshakeFailure context: tls connect error cause: not valid, SNI: a.test";
        let rows = [
            (Error::explain(ErrorType::TLSHandshakeFailure, tls), "not valid"),
            (Error::because(ErrorType::TLSHandshakeFailure, tls, "local address 127.0.0.1:1"), "not valid"),
            (Error::because(ErrorType::ReadError, "while reading", io()), "the wire is cut"),
            (Error::explain(ErrorType::HTTPStatus(503), "status 503"), "status 503"),
            (Error::new(ErrorType::ConnectRefused), "ConnectRefused"),
        ];
        for (error, expected) in rows {
            assert_eq!(cause_of(&error), expected, "{error}");
        }
    }
}
