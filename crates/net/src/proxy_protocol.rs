//! The PROXY protocol: who is behind a load balancer that forwards connections and not requests
//! (HAProxy's `proxy-protocol.txt`, versions 1 and 2).
//!
//! The header comes before everything else, TLS included, and whoever sends one is believed. So a listener expects it from
//! listed addresses only, and then always: where a header may be left out, a client could write one of its own.
//!
//! It is read here and not by `proxy-header` 0.1.3, which takes lines that are none (`PROXY_TCP4 …`, `UNKNOWNED`, a port
//! `+80`, more than 107 bytes), refuses `LOCAL` with a family that it does not know, and has no checksum.
//! What writes one for upstreams is [`headwall_core::proxy_protocol`].

mod error;
mod v1;
mod v2;

use std::net::SocketAddr;

use headwall_core::proxy_protocol::SIGNATURE;
use tokio::io::{AsyncRead, AsyncReadExt as _};

pub use self::error::ProxyProtocolError;

/// Where a connection came from and went to before it was forwarded.
///
/// Nothing of either is told when the sender speaks for itself, as in its health checks (`LOCAL`), or does not know
/// (`UNKNOWN`, unix sockets). The connection's own addresses hold then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proxied {
    /// The client.
    pub source: Option<SocketAddr>,
    /// What the client connected to.
    pub destination: Option<SocketAddr>,
}

/// Reads a header, and not one byte after it.
///
/// A connection that begins otherwise is told at its first wrong byte. There is no deadline in here.
///
/// # Errors
///
/// When there is no header, or it is malformed, longer than a header can be (107 bytes of version 1, 2,048 after the first
/// 16 of version 2), damaged, or not there as a whole when the connection ends. What was read is lost then, and the
/// connection has to be closed.
pub async fn accept(io: &mut (impl AsyncRead + Unpin)) -> Result<Proxied, ProxyProtocolError> {
    // No header is shorter.
    let mut start = [0; SIGNATURE.len()];
    let mut read = 0;
    while read < start.len() {
        match io.read(&mut start[read..]).await? {
            0 => return Err(ProxyProtocolError::Ended { read }),
            more => read += more,
        }
        let begun = &start[..read];
        let line = v1::SIGNATURE;
        if !begun.starts_with(&line[..line.len().min(read)]) && !SIGNATURE.starts_with(begun) {
            return Err(ProxyProtocolError::missing(begun));
        }
    }
    if start == SIGNATURE { v2::read(io).await } else { v1::read(start, io).await }
}

impl Proxied {
    fn between(source: impl Into<SocketAddr>, destination: impl Into<SocketAddr>) -> Self {
        Self { source: Some(source.into()), destination: Some(destination.into()) }
    }
}

#[cfg(test)]
mod tests;
