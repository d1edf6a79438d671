//! Addresses to listen on.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where connections are accepted: `192.0.2.1:80`, `[::]:80` (every address, IPv4 too), `localhost:80` (which is
/// `127.0.0.1:80`) or `unix:/run/headwall.sock`. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddress {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix domain socket.
    Unix(PathBuf),
}

/// A text that is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidListenAddress {
    /// No port, or one that is none.
    #[error("expected an address with a port from 0 to 65535, such as `[::]:{0}`, was `{1}`")]
    Port(u16, String),
    /// A name, which could stand for several addresses or for none at the next start.
    #[error("expected an IP address or `localhost` before the port, was `{0}`; every address is `[::]`")]
    Host(String),
    /// An IPv6 address without brackets.
    #[error("expected brackets around an IPv6 address, as in `[{0}]`")]
    Brackets(String),
    /// A Unix socket that is not an absolute path.
    #[error("expected an absolute path after `unix:`, such as `unix:/run/headwall.sock`, was `{0}`")]
    Path(String),
}

// === impl ListenAddress ===

impl ListenAddress {
    /// Whether two listeners cannot both be bound: the same address, or every address on the same port.
    pub(crate) fn clashes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(a), Self::Tcp(b)) => {
                let same = a.ip() == b.ip() || (a.ip().is_unspecified() && b.ip().is_unspecified());
                same && a.port() == b.port() && a.port() != 0
            }
            (Self::Unix(a), Self::Unix(b)) => a == b,
            (Self::Tcp(_), Self::Unix(_)) | (Self::Unix(_), Self::Tcp(_)) => false,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err(InvalidListenAddress::Path(text.to_owned()))
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Err(InvalidListenAddress::Brackets(text.to_owned()));
        }
        let example = text.parse().unwrap_or(80);
        let no_port = || InvalidListenAddress::Port(example, text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
        let port = port.parse().map_err(|_| no_port())?;
        match host {
            "localhost" => Ok(Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))),
            _ => Err(InvalidListenAddress::Host(host.to_owned())),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = InvalidListenAddress;

    fn try_from(text: String) -> Result<Self, InvalidListenAddress> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl JsonSchema for ListenAddress {
    fn schema_name() -> Cow<'static, str> {
        "ListenAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An IP address with a port, `[::]:port` for every address (IPv4 too), or `unix:/path`.",
            "type": "string",
            "examples": ["[::]:80", "127.0.0.1:8080", "unix:/run/headwall.sock"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        text.parse::<ListenAddress>().map(|address| address.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_addresses() {
        let rows = [
            ("[::]:80", "[::]:80"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("localhost:80", "127.0.0.1:80"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        let rows = [
            ("8080", "`[::]:8080`"),
            ("127.0.0.1", "`[::]:80`"),
            ("127.0.0.1:http", "a port from 0 to 65535"),
            ("127.0.0.1:70000", "a port from 0 to 65535"),
            (":80", "every address is `[::]`"),
            ("example.com:80", "an IP address or `localhost`"),
            ("*:80", "every address is `[::]`"),
            ("::1", "`[::1]`"),
            ("unix:x.sock", "an absolute path"),
        ];
        for (text, expected) in rows {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn listeners_clash_when_they_cannot_both_be_bound() {
        let rows = [
            ("[::]:80", "[::]:80", true, "the same"),
            ("[::]:80", "0.0.0.0:80", true, "`[::]` takes IPv4 too"),
            ("127.0.0.1:80", "127.0.0.2:80", false, "two addresses"),
            ("[::]:80", "[::]:443", false, "two ports"),
            ("[::]:0", "[::]:0", false, "the system chooses another port"),
            ("unix:/a", "unix:/a", true, "one path"),
            ("unix:/a", "unix:/b", false, "two paths"),
        ];
        for (a, b, expected, why) in rows {
            let (a, b): (ListenAddress, ListenAddress) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(a.clashes_with(&b), expected, "{why}: {a} and {b}");
            assert_eq!(b.clashes_with(&a), expected, "{why}: {b} and {a}");
        }
    }
}
