//! The names that a certificate is for.

use std::fmt;
use std::net::IpAddr;

use x509_parser::extensions::GeneralName;

/// One name of a certificate (RFC 6125, and RFC 5280 for addresses).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// `app.example.com`.
    Exact(String),
    /// `*.example.com`, by what stands behind the dot: one label more, and no deeper.
    Wildcard(String),
    /// An address.
    Address(IpAddr),
}

impl Name {
    /// The name as a certificate has it; `None` for kinds that no server has, such as mail addresses.
    pub(crate) fn of(name: &GeneralName<'_>) -> Option<Self> {
        if let GeneralName::DNSName(name) = name {
            let name = name.to_ascii_lowercase();
            return Some(match name.strip_prefix("*.") {
                Some(parent) => Self::Wildcard(parent.to_owned()),
                None => Self::Exact(name),
            });
        }
        let GeneralName::IPAddress(bytes) = name else { return None };
        let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(Self::Address)
    }

    /// Whether a host is meant, in the spelling of [`headwall_route::host_of`].
    pub(crate) fn covers(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Wildcard(parent) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
            }
            Self::Address(address) => address_of(host) == Some(*address),
        }
    }
}

/// The address that a host is, brackets or not.
pub(crate) fn address_of(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_one_label_deep() {
        let wildcard = Name::Wildcard("example.com".into());
        let rows = [
            ("app.example.com", true, "one label"),
            ("a.b.example.com", false, "two labels"),
            ("example.com", false, "none"),
            (".example.com", false, "an empty one"),
            ("appexample.com", false, "another domain"),
        ];
        for (host, expected, row) in rows {
            assert_eq!(wildcard.covers(host), expected, "{row}");
        }
    }

    #[test]
    fn an_address_is_compared_as_one() {
        let name = Name::Address("::1".parse().unwrap());
        assert!(name.covers("[::1]"));
        assert!(name.covers("0:0::1"));
        assert!(!name.covers("127.0.0.1"));
    }
}
