//! The hosts that a site names, as an operator writes them.

use super::{InvalidHost, split};
use std::fmt;
use std::str::FromStr;

/// A host that a site answers for.
///
/// * `app.example.com` is that host and no other. An IP address (`10.0.0.1`, `[::1]`) is written the same
///   way.
/// * `*.example.com` is every name below `example.com`, at any depth and at least one label deep:
///   `a.example.com` and `a.b.example.com`, not `example.com` itself.
///
/// Written patterns are brought into the spelling of [`host_of`](crate::host_of); equal patterns are the same
/// hosts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Exact(String),
    /// The name below which every name matches.
    Below(String),
}

/// Why a host pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostPattern {
    /// `*` alone.
    #[error("expected a host, was `*`: to take every host that no other site names, leave `hosts` out")]
    Everything,

    /// A `*` that is not the whole first label.
    #[error("expected `*` only as the whole first label, as in *.example.com, was {0:?}")]
    Wildcard(String),

    /// A port, which does not take part in choosing a site.
    #[error("expected a host without a port, was {0:?}: ports belong to listeners")]
    Port(String),

    /// The name itself is not one.
    #[error(transparent)]
    Host(#[from] InvalidHost),
}

// === impl HostPattern ===

impl HostPattern {
    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        if written == "*" {
            return Err(InvalidHostPattern::Everything);
        }
        let below = written.strip_prefix("*.");
        let name = below.unwrap_or(written);
        if name.contains('*') {
            return Err(InvalidHostPattern::Wildcard(written.to_owned()));
        }
        // An address has nothing below it.
        if below.is_some() && name.starts_with('[') {
            return Err(InvalidHost::Character('[').into());
        }
        let (host, port) = split(name)?;
        if port.is_some() {
            return Err(InvalidHostPattern::Port(written.to_owned()));
        }
        let host = host.into_owned();
        Ok(Self(if below.is_some() { Kind::Below(host) } else { Kind::Exact(host) }))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exact(host) => f.write_str(host),
            Kind::Below(host) => write!(f, "*.{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        for (written, expected) in [
            ("app.example.com", "app.example.com"),
            ("App.Example.com.", "app.example.com"),
            ("*.Example.com", "*.example.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("[::0001]", "[::1]"),
        ] {
            let pattern: HostPattern = written.parse().unwrap();
            assert_eq!(pattern.to_string(), expected, "{written}");
        }
    }

    #[test]
    fn refused_with_a_reason() {
        for (written, expected) in [
            ("*", "leave `hosts` out"),
            ("*.*.example.com", "whole first label"),
            ("a.*.example.com", "whole first label"),
            ("*app.example.com", "whole first label"),
            ("app.example.com:443", "ports belong to listeners"),
            ("[::1]:443", "ports belong to listeners"),
            ("::1", "brackets such as [::1]"),
            ("*.[::1]", "may not hold '['"),
            ("*.", "was empty"),
            ("https://app.example.com", "may not hold '/'"),
            ("", "was empty"),
        ] {
            let refusal = written.parse::<HostPattern>().unwrap_err().to_string();
            assert!(refusal.contains(expected), "{written}: {refusal}");
        }
    }
}
