//! Why a head is refused, what its client is told, and who is told of it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::connection::Connection;

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The first line is not `METHOD target HTTP/1.1`.
    MalformedRequestLine,
    /// The target is none of the forms of RFC 9112, 3.2, or not one for this method.
    InvalidTarget,
    /// Another version than HTTP/1.0 and HTTP/1.1.
    UnsupportedVersion,
    /// `CONNECT`: this is no forward proxy.
    Connect,
    /// A line ends with a bare LF, or a CR stands alone (RFC 9112, 2.2).
    MalformedLineEnding,
    /// A value goes on in the next line: obs-fold (RFC 9112, 5.2).
    FoldedHeader,
    /// A name that is none, or something between it and its colon (RFC 9112, 5.1).
    MalformedHeader,
    /// NUL or another control character (RFC 9110, 5.5).
    ForbiddenCharacter,
    /// HTTP/1.1 without `Host` (RFC 9112, 3.2).
    MissingHost,
    /// Several `Host`.
    DuplicateHost,
    /// `Host` is no host.
    InvalidHost,
    /// The target names another host than `Host` does.
    HostMismatch,
    /// Both a length and a transfer coding (RFC 9112, 6.1).
    AmbiguousLength,
    /// A length that is no number, or several (RFC 9112, 6.3).
    InvalidLength,
    /// A transfer coding other than one `chunked`, or any in HTTP/1.0.
    InvalidTransferEncoding,
    /// `Connection` names a header that says where the request ends or whom it is for.
    InvalidConnection,
    /// The first line is too long.
    RequestLineTooLong,
    /// Too many fields, or too many bytes of them.
    HeadersTooLarge,
    /// The head was not complete in time.
    Timeout,
}

/// A request that was refused before Pingora saw a byte of it.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The connection it came on.
    pub connection: &'a Arc<Connection>,
    /// What is wrong with it.
    pub refusal: Refusal,
    /// As much of its head as was read.
    pub head: &'a [u8],
    /// The time from its first byte to now.
    pub duration: Duration,
}

/// Whoever answers and logs what the stream has refused. A [`Swap`](crate::Swap) of a gateway does.
pub trait Refusals: Debug + Send + Sync {
    /// The whole response, as it is written to the client.
    fn answer(&self, refused: &Refused<'_>) -> Vec<u8>;
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::MalformedRequestLine,
        Self::InvalidTarget,
        Self::UnsupportedVersion,
        Self::Connect,
        Self::MalformedLineEnding,
        Self::FoldedHeader,
        Self::MalformedHeader,
        Self::ForbiddenCharacter,
        Self::MissingHost,
        Self::DuplicateHost,
        Self::InvalidHost,
        Self::HostMismatch,
        Self::AmbiguousLength,
        Self::InvalidLength,
        Self::InvalidTransferEncoding,
        Self::InvalidConnection,
        Self::RequestLineTooLong,
        Self::HeadersTooLarge,
        Self::Timeout,
    ];

    /// The status that the client gets.
    pub fn status(self) -> StatusCode {
        match self {
            Self::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::RequestLineTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::MalformedRequestLine
            | Self::InvalidTarget
            | Self::MalformedLineEnding
            | Self::FoldedHeader
            | Self::MalformedHeader
            | Self::ForbiddenCharacter
            | Self::MissingHost
            | Self::DuplicateHost
            | Self::InvalidHost
            | Self::HostMismatch
            | Self::AmbiguousLength
            | Self::InvalidLength
            | Self::InvalidTransferEncoding
            | Self::InvalidConnection => StatusCode::BAD_REQUEST,
        }
    }

    /// The word for log and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::MalformedRequestLine => "malformed_request_line",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedVersion => "unsupported_version",
            Self::Connect => "connect_not_supported",
            Self::MalformedLineEnding => "malformed_line_ending",
            Self::FoldedHeader => "folded_header",
            Self::MalformedHeader => "malformed_header",
            Self::ForbiddenCharacter => "forbidden_character",
            Self::MissingHost => "missing_host",
            Self::DuplicateHost => "duplicate_host",
            Self::InvalidHost => "invalid_host",
            Self::HostMismatch => "host_mismatch",
            Self::AmbiguousLength => "ambiguous_length",
            Self::InvalidLength => "invalid_length",
            Self::InvalidTransferEncoding => "invalid_transfer_encoding",
            Self::InvalidConnection => "invalid_connection",
            Self::RequestLineTooLong => "request_line_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::Timeout => "header_timeout",
        }
    }

    /// What the client is told.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::MalformedRequestLine => "The first line of the request is malformed.",
            Self::InvalidTarget => "The address in the first line of the request is malformed.",
            Self::UnsupportedVersion => "This version of HTTP is not spoken here.",
            Self::Connect => "Tunnels to other servers are not made here.",
            Self::MalformedLineEnding => "A line of the request does not end with CR and LF.",
            Self::FoldedHeader => "A header of the request goes over several lines.",
            Self::MalformedHeader => "A header of the request is malformed.",
            Self::ForbiddenCharacter => "A header of the request has a control character.",
            Self::MissingHost => "The request does not say for which host it is.",
            Self::DuplicateHost => "The request says more than once for which host it is.",
            Self::InvalidHost => "The request's host is malformed.",
            Self::HostMismatch => "The request names two different hosts.",
            Self::AmbiguousLength => "The request has both a Content-Length and a Transfer-Encoding.",
            Self::InvalidLength => "The request does not say once and in digits how long its body is.",
            Self::InvalidTransferEncoding => "The request has a Transfer-Encoding other than chunked.",
            Self::InvalidConnection => "The Connection header names a header that the request needs.",
            Self::RequestLineTooLong => "The request address is too long.",
            Self::HeadersTooLarge => "The request headers are too large.",
            Self::Timeout => "The request took too long to arrive here.",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason())
    }
}
