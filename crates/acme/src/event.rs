//! What a certificate's task has to tell: issued, failed, scheduled.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::Identifier;
use crate::identifier::list;

/// What happened to a certificate. `Display` is a log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A CA has issued a certificate.
    Issued {
        /// The certificate's names.
        names: Vec<Identifier>,
        /// The CA's name.
        authority: String,
        /// When the certificate ends.
        not_after: Timestamp,
    },
    /// An attempt at all CAs has failed.
    Failed {
        /// The names that were asked for.
        names: Vec<Identifier>,
        /// The CA that was asked last.
        authority: String,
        /// The challenge that failed, if one did.
        challenge: Option<ChallengeKind>,
        /// What each CA said, in its own words, with the type of the problem.
        error: String,
        /// When it is tried again.
        next_attempt: Timestamp,
    },
    /// A renewal has its time.
    RenewalScheduled {
        /// The certificate's names.
        names: Vec<Identifier>,
        /// When the certificate is renewed.
        at: Timestamp,
        /// Whether the CA asked for that time (RFC 9773).
        asked_by_authority: bool,
        /// The CA's page that explains its window.
        explanation: Option<String>,
    },
}

/// A way to prove that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ChallengeKind {
    /// A file under `/.well-known/acme-challenge/` (RFC 8555 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// A certificate in a TLS handshake (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// A TXT record (RFC 8555 8.4).
    #[serde(rename = "dns-01")]
    Dns01,
}

impl ChallengeKind {
    pub(crate) fn to_acme(self) -> instant_acme::ChallengeType {
        match self {
            Self::Http01 => instant_acme::ChallengeType::Http01,
            Self::TlsAlpn01 => instant_acme::ChallengeType::TlsAlpn01,
            Self::Dns01 => instant_acme::ChallengeType::Dns01,
        }
    }
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issued { names, authority, not_after } => {
                write!(f, "{}: {authority} has issued a certificate until {not_after}", list(names))
            }
            Self::Failed { names, error, next_attempt, .. } => {
                write!(f, "{}: no new certificate: {error}; next attempt at {next_attempt:.0}", list(names))
            }
            Self::RenewalScheduled { names, at, asked_by_authority, .. } => {
                let why = if *asked_by_authority { ", as its authority asks" } else { "" };
                write!(f, "{}: the certificate is renewed at {at:.0}{why}", list(names))
            }
        }
    }
}
