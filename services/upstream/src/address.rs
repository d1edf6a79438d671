//! Where a server is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `127.0.0.1:3000`, `[::1]:3000`, `app:3000` (a name that is looked up) or `unix:/run/app.sock`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum ServerAddress {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A host name and a port.
    Name(String, u16),
    /// A unix socket.
    Unix(PathBuf),
}

/// A text that is no server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerAddress {
    /// A URL.
    #[error("expected `host:port` without a scheme, was `{0}`; servers are spoken to in plain HTTP for now")]
    Scheme(String),
    /// No port.
    #[error("expected `host:port` or `unix:/path`, was `{0}`")]
    Form(String),
}

impl FromStr for ServerAddress {
    type Err = InvalidServerAddress;

    fn from_str(text: &str) -> Result<Self, InvalidServerAddress> {
        if text.contains("://") {
            return Err(InvalidServerAddress::Scheme(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let form = || InvalidServerAddress::Form(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err(form());
        }
        Ok(Self::Name(host.to_owned(), port.parse().map_err(|_| form())?))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = InvalidServerAddress;

    fn try_from(text: String) -> Result<Self, InvalidServerAddress> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_back() {
        for text in [
            "127.0.0.1:3000",
            "[::1]:3000",
            "app:3000",
            "localhost:80",
            "my_app.internal:8080",
            "unix:/run/app.sock",
        ] {
            assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), text);
        }
        for text in
            ["", "app", ":80", "127.0.0.1", "app:x", "a b:80", "::1:x", "http://app:80", "https://app"]
        {
            assert!(text.parse::<ServerAddress>().is_err(), "{text:?}");
        }
    }
}
