//! The header that tells a server who the client is, in front of everything else.
//!
//! A server that is no HTTP server, or that wants the address below HTTP, learns it from the first bytes of the connection:
//! HAProxy's PROXY protocol, as a line of text (version 1) or in binary (version 2). This module writes such headers; see
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Which of the two forms of HAProxy's PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ProxyProtocol")]
pub enum Version {
    /// A line of text, such as `PROXY TCP4 192.0.2.1 198.51.100.1 4711 443`.
    V1,
    /// Binary.
    V2,
}

/// A header, ready to be sent before the first byte of the connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Header(SmallVec<[u8; 64]>);

/// How a header of version 2 begins.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 and the command: a connection of the proxy's own, or one on behalf of a client.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// Family and protocol: none told, TCP over IPv4, TCP over IPv6.
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

// === impl Version ===

impl Version {
    /// The header of a connection on behalf of the client at `source`, which had connected to `destination`.
    ///
    /// An IPv4 address in IPv6 clothes is written as IPv4. When only one of the two is IPv4 it is put into such clothes,
    /// because a header has one family.
    pub fn header(self, source: SocketAddr, destination: SocketAddr) -> Header {
        let (from, to) = one_family(source.ip().to_canonical(), destination.ip().to_canonical());
        let mut header = Header(SmallVec::new());
        match self {
            Self::V1 => {
                let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
                let ports = (source.port(), destination.port());
                let line = format!("PROXY {family} {from} {to} {} {}\r\n", ports.0, ports.1);
                header.0.extend_from_slice(line.as_bytes());
            }
            Self::V2 => {
                let family = if from.is_ipv4() { TCP4 } else { TCP6 };
                let length = if from.is_ipv4() { 12 } else { 36 };
                header.begin(PROXY, family, length);
                header.push_address(from);
                header.push_address(to);
                header.0.extend_from_slice(&source.port().to_be_bytes());
                header.0.extend_from_slice(&destination.port().to_be_bytes());
            }
        }
        header
    }

    /// The header of a connection that stands for no client, such as a health check's.
    pub fn local(self) -> Header {
        let mut header = Header(SmallVec::new());
        match self {
            Self::V1 => header.0.extend_from_slice(b"PROXY UNKNOWN\r\n"),
            Self::V2 => header.begin(LOCAL, UNSPECIFIED, 0),
        }
        header
    }
}

// === impl Header ===

impl Header {
    /// What is sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn begin(&mut self, command: u8, family: u8, length: u16) {
        self.0.extend_from_slice(&SIGNATURE);
        self.0.extend_from_slice(&[command, family]);
        self.0.extend_from_slice(&length.to_be_bytes());
    }

    fn push_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.0.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => self.0.extend_from_slice(&address.octets()),
        }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({})", self.0.escape_ascii())
    }
}

fn one_family(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    if a.is_ipv4() == b.is_ipv4() { (a, b) } else { (in_ipv6(a).into(), in_ipv6(b).into()) }
}

fn in_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_version_is_a_line_of_text() {
        let rows = [
            ("192.0.2.1:4711", "198.51.100.1:443", "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443", "IPv4"),
            (
                "[2001:db8::1]:4711",
                "[2001:db8::2]:443",
                "PROXY TCP6 2001:db8::1 2001:db8::2 4711 443",
                "IPv6",
            ),
            ("[::ffff:192.0.2.1]:1", "198.51.100.1:2", "PROXY TCP4 192.0.2.1 198.51.100.1 1 2", "in clothes"),
            ("192.0.2.1:0", "[2001:db8::2]:2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 0 2", "two families"),
        ];
        for (source, destination, line, row) in rows {
            let header = Version::V1.header(source.parse().unwrap(), destination.parse().unwrap());
            assert_eq!(header.as_bytes(), format!("{line}\r\n").as_bytes(), "{row}");
        }
        assert_eq!(Version::V1.local().as_bytes(), b"PROXY UNKNOWN\r\n");
    }

    #[test]
    fn the_second_version_is_binary() {
        let header =
            Version::V2.header("192.0.2.1:4711".parse().unwrap(), "198.51.100.1:443".parse().unwrap());
        let expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb";
        assert_eq!(header.as_bytes(), expected);
        let header = Version::V2.header("[::1]:1".parse().unwrap(), "[::2]:2".parse().unwrap());
        assert_eq!(header.as_bytes()[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24");
        assert_eq!(header.as_bytes().len(), 16 + 36);
        assert_eq!(Version::V2.local().as_bytes(), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    }
}
