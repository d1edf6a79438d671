//! What a certificate is for: a DNS name, a wildcard or an IP address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A name in a certificate. DNS names are kept in lower case and without a dot at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identifier {
    /// A DNS name, `app.example.com`, or a wildcard, `*.example.com` (RFC 8555 7.1.3).
    Dns(String),
    /// An IP address (RFC 8738).
    Ip(IpAddr),
}

/// Why a text is not an [`Identifier`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a DNS name such as `app.example.com` or `*.example.com`, or an IP address, found `{written}`: {why}"
)]
pub struct InvalidIdentifier {
    written: String,
    why: &'static str,
}

// === impl Identifier ===

impl Identifier {
    /// Whether this is `*.` and a name. A CA asks for a DNS record for those and takes no other proof.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Dns(name) if name.starts_with("*."))
    }

    /// The name that a CA wants proof for: without the `*.` of a wildcard.
    pub fn base(&self) -> String {
        match self {
            Self::Dns(name) => name.strip_prefix("*.").unwrap_or(name).to_owned(),
            Self::Ip(address) => address.to_string(),
        }
    }

    /// The server name by which a CA connects for TLS-ALPN-01. For an address it is the name of its reverse look-up
    /// (RFC 8738 6), because SNI has no addresses.
    pub fn tls_alpn_name(&self) -> String {
        match self {
            Self::Dns(_) => self.base(),
            Self::Ip(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            Self::Ip(IpAddr::V6(address)) => {
                let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 0xf, octet >> 4]);
                nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
            }
        }
    }

    /// A file's name that no other identifier has, without characters that a shell or a path gives a meaning.
    pub(crate) fn file_name(&self) -> String {
        match self {
            Self::Dns(name) => name.replace('*', "_wildcard"),
            Self::Ip(address) => address.to_string().replace(':', "-"),
        }
    }

    /// Whether a certificate with `names` is good for this name: it is there itself, or a wildcard covers it.
    pub(crate) fn is_covered_by(&self, names: &[Self]) -> bool {
        let parent = match self {
            Self::Dns(name) => name.split_once('.').map(|(_, parent)| format!("*.{parent}")),
            Self::Ip(_) => None,
        };
        names.iter().any(|name| name == self || matches!((name, &parent), (Self::Dns(n), Some(p)) if n == p))
    }

    pub(crate) fn to_acme(&self) -> instant_acme::Identifier {
        match self {
            Self::Dns(name) => instant_acme::Identifier::Dns(name.clone()),
            Self::Ip(address) => instant_acme::Identifier::Ip(*address),
        }
    }
}

impl FromStr for Identifier {
    type Err = InvalidIdentifier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(Self::Ip(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let why = |why| InvalidIdentifier { written: text.to_owned(), why };
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        if labels.contains('*') {
            return Err(why("a wildcard is the whole first label and no other"));
        }
        if !labels.is_ascii() {
            return Err(why("write an internationalised name in its `xn--` form"));
        }
        if name.len() > 253 {
            return Err(why("it has more than 253 characters"));
        }
        let is_label = |label: &str| {
            let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(is_known)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !labels.split('.').all(is_label) {
            return Err(why("a label has 1 to 63 letters, digits and inner hyphens"));
        }
        if labels.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(why("its last label is a number"));
        }
        Ok(Self::Dns(name))
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Names as a log line has them.
pub(crate) fn list(names: &[Identifier]) -> String {
    names.iter().map(Identifier::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_one_form() {
        let rows = [
            ("App.Example.com.", "app.example.com", "case and the dot at the end mean nothing"),
            ("*.example.com", "*.example.com", "a wildcard"),
            ("localhost", "localhost", "one label"),
            ("192.0.2.1", "192.0.2.1", "an IPv4 address"),
            ("[2001:DB8::1]", "2001:db8::1", "an IPv6 address, as in a URL"),
        ];
        for (text, expected, message) in rows {
            assert_eq!(text.parse::<Identifier>().unwrap().to_string(), expected, "{message}");
        }
    }

    #[test]
    fn what_no_ca_could_certify_is_refused() {
        let rows = [
            ("", "an empty text"),
            ("a..b", "an empty label"),
            ("*.*.example.com", "two wildcards"),
            ("w*.example.com", "a part of a label"),
            ("-a.example.com", "a hyphen in front"),
            ("../etc/passwd", "a path"),
            ("bücher.example", "not ASCII"),
            ("300.0.0.1", "not an address and not a name"),
        ];
        for (text, message) in rows {
            let error = text.parse::<Identifier>().expect_err(message);
            assert!(error.to_string().contains(text), "{message}: {error}");
        }
        assert!("a".repeat(64).parse::<Identifier>().is_err(), "a label of 64 characters");
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let name = |text: &str| text.parse::<Identifier>().unwrap();
        let names = [name("*.example.com"), name("192.0.2.1")];
        let rows = [
            ("a.example.com", true),
            ("*.example.com", true),
            ("example.com", false),
            ("a.b.example.com", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
        ];
        for (text, expected) in rows {
            assert_eq!(name(text).is_covered_by(&names), expected, "{text}");
        }
    }

    #[test]
    fn an_address_is_asked_for_by_its_reverse_name() {
        let name = |text: &str| text.parse::<Identifier>().unwrap().tls_alpn_name();
        assert_eq!(name("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            name("2001:db8::1"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }
}
