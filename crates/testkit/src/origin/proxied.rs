//! The PROXY protocol's header in front of a connection, as an origin reads it.
//!
//! It is read by a library that has nothing to do with Headwall, so that what Headwall writes is judged by somebody else.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A header of the PROXY protocol as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxied {
    /// Its bytes.
    pub header: Bytes,
    /// 1 or 2.
    pub version: u8,
    /// Where the connection came from; `None` when the header says that it is the sender's own.
    pub source: Option<SocketAddr>,
    /// Where the connection went to; `None` when the header says that it is the sender's own.
    pub destination: Option<SocketAddr>,
}

/// Reads a header and nothing after it.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Proxied> {
    let mut header = Vec::new();
    loop {
        header.push(stream.read_u8().await?);
        match ProxyHeader::parse(&header, ParseConfig::default()) {
            Ok((parsed, length)) if length == header.len() => {
                let addresses = parsed.proxied_address();
                return Ok(Proxied {
                    version: if header[0] == b'P' { 1 } else { 2 },
                    source: addresses.map(|addresses| addresses.source),
                    destination: addresses.map(|addresses| addresses.destination),
                    header: header.into(),
                });
            }
            Err(Error::BufferTooShort) => {}
            Ok(_) | Err(_) => return Err(io::Error::other("expected a header of the PROXY protocol")),
        }
    }
}
