//! Where a server is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `127.0.0.1:3000`, `[::1]:3000`, `app:3000` (a name that is looked up), `https://app.internal` (the same, spoken to in
/// TLS, on port 443 unless another is named), `unix:/run/app.sock`, or `srv:_http._tcp.app.internal` (a service that is looked
/// up, ports and all; in TLS if it is `_https`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ServerAddress {
    /// Whether TLS is spoken there.
    pub scheme: Scheme,
    /// Where it is.
    pub place: Place,
}

/// What is spoken at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP: `http://`, or no scheme at all.
    Http,
    /// HTTP over TLS: `https://`.
    Https,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A host name and a port.
    Name(String, u16),
    /// A unix socket.
    Unix(PathBuf),
    /// A service that SRV records know, such as `_http._tcp.app.internal` (RFC 2782).
    Service(String),
}

/// A text that is no server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerAddress {
    /// Another scheme.
    #[error("expected `https://`, `http://` or no scheme, was `{0}`")]
    Scheme(String),
    /// More than an address.
    #[error("expected nothing behind the port, was `{0}`; a path is rewritten by the route")]
    Path(String),
    /// No service.
    #[error("expected `srv:_service._tcp.domain`, was `{0}`")]
    Service(String),
    /// No port.
    #[error("expected `host:port`, `https://host` or `unix:/path`, was `{0}`")]
    Form(String),
}

// === impl ServerAddress ===

impl ServerAddress {
    /// The host and, unless it is the scheme's own, the port: what a `Host` header says. `localhost` for a unix socket.
    pub fn authority(&self) -> String {
        match &self.place {
            Place::Ip(address) if self.has_default_port() && address.is_ipv6() => {
                format!("[{}]", address.ip())
            }
            Place::Ip(address) if self.has_default_port() => address.ip().to_string(),
            Place::Name(host, _) if self.has_default_port() => host.clone(),
            Place::Unix(_) => "localhost".to_owned(),
            Place::Service(name) => domain(name).to_owned(),
            place @ (Place::Ip(_) | Place::Name(..)) => place.to_string(),
        }
    }

    /// The host alone: what a certificate has to be valid for. None for a unix socket.
    pub fn host(&self) -> Option<String> {
        match &self.place {
            Place::Ip(address) => Some(address.ip().to_string()),
            Place::Name(host, _) => Some(host.clone()),
            Place::Unix(_) => None,
            Place::Service(name) => Some(domain(name).to_owned()),
        }
    }

    fn has_default_port(&self) -> bool {
        let port = match &self.place {
            Place::Ip(address) => address.port(),
            Place::Name(_, port) => *port,
            Place::Unix(_) | Place::Service(_) => return false,
        };
        port == self.scheme.default_port()
    }
}

impl FromStr for ServerAddress {
    type Err = InvalidServerAddress;

    fn from_str(text: &str) -> Result<Self, InvalidServerAddress> {
        let form = || InvalidServerAddress::Form(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self { scheme: Scheme::Http, place: Place::Unix(path.into()) });
        }
        if let Some(name) = text.strip_prefix("srv:") {
            let scheme = if name.starts_with("_https.") { Scheme::Https } else { Scheme::Http };
            let is_whole = is_service(name);
            let service = || Self { scheme, place: Place::Service(name.to_owned()) };
            return is_whole.then(service).ok_or_else(|| InvalidServerAddress::Service(text.to_owned()));
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(_) => return Err(InvalidServerAddress::Scheme(text.to_owned())),
        };
        // The slash that browsers put behind a host is no path.
        let rest = if scheme.is_some() { rest.strip_suffix('/').unwrap_or(rest) } else { rest };
        if rest.contains(['/', '?', '#']) {
            return Err(InvalidServerAddress::Path(text.to_owned()));
        }
        let place = place(rest, scheme.map(Scheme::default_port)).ok_or_else(form)?;
        Ok(Self { scheme: scheme.unwrap_or(Scheme::Http), place })
    }
}

/// Reads host and port; the port may be left out if there is a default.
fn place(text: &str, default_port: Option<u16>) -> Option<Place> {
    if let Ok(address) = text.parse() {
        return Some(Place::Ip(address));
    }
    let bare = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'));
    if let (Some(Ok(ip)), Some(port)) = (bare.map(str::parse), default_port) {
        return Some(Place::Ip(SocketAddr::new(ip, port)));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, default_port?),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    // What looks like an IPv4 address and is none would be a name that nobody has.
    let is_number =
        host.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if host.is_empty() || is_number || !host.bytes().all(is_name) {
        return None;
    }
    Some(Place::Name(host.to_owned(), port))
}

/// Whether this names a service, its protocol and a domain.
fn is_service(name: &str) -> bool {
    let labels: Vec<_> = name.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    labels.len() > 2
        && labels[..2].iter().all(|label| label.len() > 1 && label.starts_with('_'))
        && labels.iter().all(is_label)
}

/// What a service is a service of: the name that a certificate has to be valid for. The servers that DNS names may be anybody's
/// (RFC 6125, 6.2.1).
fn domain(service: &str) -> &str {
    service.splitn(3, '.').nth(2).unwrap_or(service)
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Http => self.place.fmt(f),
            // The service's own name says so.
            Scheme::Https if matches!(self.place, Place::Service(_)) => self.place.fmt(f),
            Scheme::Https => write!(f, "https://{}", self.place),
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

// === impl Scheme ===

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Service(name) => write!(f, "srv:{name}"),
        }
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
            "https://127.0.0.1:8443",
            "https://app.internal:443",
            "https://[::1]:8443",
            "srv:_http._tcp.app.internal",
            "srv:_https._tcp.app.internal",
        ] {
            assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), text);
        }
        let rows = [
            ("https://app.internal", "https://app.internal:443", "the port of https"),
            ("https://app.internal/", "https://app.internal:443", "as a browser writes it"),
            ("https://10.0.0.5", "https://10.0.0.5:443", "an IP address"),
            ("https://[::1]", "https://[::1]:443", "an IPv6 address"),
            ("http://app", "app:80", "the port of http"),
            ("http://127.0.0.1:3000", "127.0.0.1:3000", "http is what no scheme means"),
        ];
        for (text, written, row) in rows {
            assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), written, "{row}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let refused = [
            "",
            "app",
            ":80",
            "127.0.0.1",
            "app:x",
            "a b:80",
            "::1:x",
            "256.0.0.1:80",
            "https://",
            "https://:443",
            "ftp://app",
            "https://app/path",
            "https://unix:/run/app.sock",
            "h2c://app:80",
            "https://a@b",
            "https://app:99999",
            "https://[::1",
            "srv:app.internal",
            "srv:_http._tcp",
            "srv:_http._tcp.",
            "srv:_http._tcp.a b",
            "srv:_http._tcp.app:80",
        ];
        for text in refused {
            assert!(text.parse::<ServerAddress>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_default_port_is_not_part_of_the_authority() {
        let rows = [
            ("https://app.internal", "app.internal"),
            ("https://app.internal:8443", "app.internal:8443"),
            ("https://[::1]", "[::1]"),
            ("app:3000", "app:3000"),
            ("unix:/run/app.sock", "localhost"),
            ("srv:_https._tcp.app.internal", "app.internal"),
        ];
        for (text, authority) in rows {
            assert_eq!(text.parse::<ServerAddress>().unwrap().authority(), authority);
        }
    }
}
