//! The PROXY protocol: who is behind a load balancer that forwards connections and not requests
//! (HAProxy's `proxy-protocol.txt`, versions 1 and 2).
//!
//! The header comes before everything else, TLS included, and whoever sends one is believed. So a listener expects it from
//! listed addresses only, and then always: where a header may be left out, a client could write one of its own.
//!
//! It is read here and not by `proxy-header` 0.1.3, which takes lines that are none (`PROXY_TCP4 …`, `UNKNOWNED`, a port
//! `+80`, more than 107 bytes), refuses `LOCAL` with a family that it does not know, and has no checksum.

mod error;
mod v1;
mod v2;

use std::net::{IpAddr, SocketAddr};

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

/// How a header is written. Both are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
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
    let mut start = [0; v2::SIGNATURE.len()];
    let mut read = 0;
    while read < start.len() {
        match io.read(&mut start[read..]).await? {
            0 => return Err(ProxyProtocolError::Ended { read }),
            more => read += more,
        }
        let begun = &start[..read];
        let line = v1::SIGNATURE;
        if !begun.starts_with(&line[..line.len().min(read)]) && !v2::SIGNATURE.starts_with(begun) {
            return Err(ProxyProtocolError::missing(begun));
        }
    }
    if start == v2::SIGNATURE { v2::read(io).await } else { v1::read(start, io).await }
}

/// The header that goes before a connection from `source` to `destination`.
///
/// IPv4 addresses that are written as IPv6 (`::ffff:192.0.2.1`) become IPv4 again, and where only one of the two is IPv4
/// it is written as IPv6, because a header has one family. Scopes and flow labels of IPv6 are not sent.
pub fn header(version: Version, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (source, destination) = of_one_family(source, destination);
    match version {
        Version::V1 => v1::write(source, destination),
        Version::V2 => v2::write(source, destination),
    }
}

/// The header of a connection that is the sender's own, such as a health check.
pub fn local_header(version: Version) -> Vec<u8> {
    match version {
        Version::V1 => v1::UNKNOWN.to_vec(),
        Version::V2 => v2::LOCAL.to_vec(),
    }
}

impl Proxied {
    fn between(source: impl Into<SocketAddr>, destination: impl Into<SocketAddr>) -> Self {
        Self { source: Some(source.into()), destination: Some(destination.into()) }
    }
}

fn of_one_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let (source_ip, destination_ip) = match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(v4), IpAddr::V6(v6)) => (v4.to_ipv6_mapped().into(), v6.into()),
        (IpAddr::V6(v6), IpAddr::V4(v4)) => (v6.into(), v4.to_ipv6_mapped().into()),
        same => same,
    };
    (SocketAddr::new(source_ip, source.port()), SocketAddr::new(destination_ip, destination.port()))
}

#[cfg(test)]
mod tests;
