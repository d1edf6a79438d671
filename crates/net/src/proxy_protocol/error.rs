//! What can be wrong with a header of the PROXY protocol. The sender is a machine that somebody has set up, so each says
//! what was expected of it.

use std::io;

use super::{v1, v2};

/// Why a connection has no header of the PROXY protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProxyProtocolError {
    /// The connection begins with something else.
    #[error("expected a header of the PROXY protocol, but the connection begins with `{begin}`")]
    Missing {
        /// Its first bytes, at most 12, escaped.
        begin: String,
    },
    /// A line of version 1 is no header.
    #[error("expected {expected} in a header of the PROXY protocol, but came `{line}`")]
    Line {
        /// What was expected.
        expected: &'static str,
        /// The line, or what of it had been read, escaped.
        line: String,
    },
    /// A line of version 1 has no end.
    #[error("expected a header of the PROXY protocol of at most {} bytes, but the line goes on", v1::LONGEST)]
    LongLine,
    /// A binary header is not of version 2.
    #[error("expected version 2 in a binary header of the PROXY protocol, but came version {version}")]
    Version {
        /// The version.
        version: u8,
    },
    /// A command that does not exist.
    #[error(
        "expected the command 0 (LOCAL) or 1 (PROXY) in a header of the PROXY protocol, but came {command}"
    )]
    Command {
        /// The command.
        command: u8,
    },
    /// A family or protocol that does not exist.
    #[error(
        "expected an address family and protocol in a header of the PROXY protocol, but came 0x{family:02x}"
    )]
    Family {
        /// The byte of both.
        family: u8,
    },
    /// A binary header that nobody needs to be so long.
    #[error(
        "expected at most {} bytes after the first 16 of a header of the PROXY protocol, but it announces {announced}",
        v2::LONGEST_REST
    )]
    Long {
        /// The bytes after the first 16.
        announced: usize,
    },
    /// The addresses have no place in a binary header.
    #[error("expected {needed} bytes of addresses in a header of the PROXY protocol, but it has {announced}")]
    Short {
        /// What the family needs.
        needed: usize,
        /// The bytes after the first 16.
        announced: usize,
    },
    /// A field after the addresses is longer than what is left.
    #[error(
        "expected the fields of a header of the PROXY protocol to end where it does, but field 0x{field:02x} does not"
    )]
    Field {
        /// Its type.
        field: u8,
    },
    /// The header was damaged on its way.
    #[error("expected the checksum {computed:08x} in a header of the PROXY protocol, but came {written:08x}")]
    Checksum {
        /// What it should be.
        computed: u32,
        /// What it is.
        written: u32,
    },
    /// The connection ended too early.
    #[error("expected a header of the PROXY protocol, but the connection ended after {read} bytes")]
    Ended {
        /// The bytes that came.
        read: usize,
    },
    /// The connection broke.
    #[error("expected a header of the PROXY protocol, but the connection broke: {0}")]
    Io(#[from] io::Error),
}

impl ProxyProtocolError {
    pub(super) fn missing(begin: &[u8]) -> Self {
        Self::Missing { begin: begin.escape_ascii().to_string() }
    }

    pub(super) fn line(expected: &'static str, line: &[u8]) -> Self {
        Self::Line { expected, line: line.escape_ascii().to_string() }
    }
}
