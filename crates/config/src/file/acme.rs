//! Certificates from a CA.

use garde::Validate;
use headwall_units::{Duration, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Certificates from a CA by ACME (RFC 8555): obtained when they are needed, renewed when a third of their time is left
/// or when the CA says so (RFC 9773).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Acme {
    /// Where the CA can reach you. Default: nowhere.
    #[garde(skip)]
    pub email: Option<String>,
    /// The CAs, in the order in which they are asked. Default: Let's Encrypt.
    #[garde(length(min = 1), dive)]
    pub authorities: Vec<AcmeAuthority>,
    /// How the CA may check that the hosts are yours: `http-01` on port 80, `tls-alpn-01` on port 443. Default: both,
    /// whichever works.
    #[garde(length(min = 1))]
    pub challenges: Vec<AcmeChallenge>,
    /// How records are put into DNS, for hosts such as `*.example.com`, or where no CA can reach this server. Default:
    /// not at all.
    #[garde(dive)]
    pub dns: Option<AcmeDns>,
}

/// A CA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AcmeAuthority {
    /// Its directory: an `https://` URL, or `letsencrypt`, `letsencrypt-staging` or `zerossl`.
    #[garde(length(min = 1))]
    pub directory: String,
    /// The root of its own HTTPS certificate in PEM, for a CA within a company or a test. An empty one is none. Default:
    /// the roots of the system.
    #[serde(default)]
    #[garde(skip)]
    pub ca: Option<PathBuf>,
    /// The kind of certificate, as the CA calls it, such as Let's Encrypt's `shortlived`. Default: the CA's default.
    #[serde(default)]
    #[garde(skip)]
    pub profile: Option<String>,
    /// An account that exists at the CA already (RFC 8555, 7.3.4). Default: none.
    #[serde(default)]
    #[garde(dive)]
    pub account: Option<AcmeAccount>,
}

/// What a CA gives to those who have an account there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AcmeAccount {
    /// The key's identifier.
    #[garde(length(min = 1))]
    pub key_id: String,
    /// The key, in base64url.
    #[garde(skip)]
    pub hmac_key: Secret,
}

/// How a CA checks that a host is yours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AcmeChallenge {
    /// A file over plain HTTP (RFC 8555, 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// A certificate in a TLS handshake (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

/// How records are put into DNS (RFC 8555, 8.4). Exactly one of `exec` and `webhook` says how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AcmeDns {
    /// A program and its arguments. It is told what to do in `HEADWALL_ACME_ACTION` (`present` or `cleanup`),
    /// `HEADWALL_ACME_DOMAIN`, `HEADWALL_ACME_RECORD` and `HEADWALL_ACME_VALUE`. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub exec: Vec<String>,
    /// A URL that gets the same as JSON by `POST`. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub webhook: Option<String>,
    /// How long either may take. Default: `60s`.
    #[serde(default = "a_minute")]
    #[garde(skip)]
    pub timeout: Duration,
    /// How long the record needs to be seen everywhere. Default: `0s`.
    #[serde(default)]
    #[garde(skip)]
    pub wait: Duration,
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

// === impl Acme ===

impl Default for Acme {
    fn default() -> Self {
        Self {
            email: None,
            authorities: vec![AcmeAuthority {
                directory: "letsencrypt".to_owned(),
                ca: None,
                profile: None,
                account: None,
            }],
            challenges: vec![AcmeChallenge::Http01, AcmeChallenge::TlsAlpn01],
            dns: None,
        }
    }
}
