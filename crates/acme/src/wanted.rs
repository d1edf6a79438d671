//! A certificate that somebody wants.

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256};

use crate::identifier::list;
use crate::{Authority, DnsHook, Identifier, Secret};

/// A certificate that somebody wants, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What it is for. The first name names its files.
    pub names: Vec<Identifier>,
    /// Where the CA may write to. None by default; each address is an account of its own.
    pub email: Option<String>,
    /// The CAs, in order. The next one is asked when one has failed. Let's Encrypt by default.
    pub authorities: Vec<Authority>,
    /// Which challenges can be answered. Both by default.
    pub challenges: AllowedChallenges,
    /// How DNS records are made, for DNS-01. With a hook DNS-01 is tried first. None by default.
    pub dns: Option<DnsHook>,
    /// The kind of key. P-256 by default.
    pub key_type: KeyType,
}

/// Which challenges may be used without a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedChallenges {
    /// HTTP-01 (RFC 8555 8.3): the CA reaches us on port 80.
    pub http_01: bool,
    /// TLS-ALPN-01 (RFC 8737): the CA reaches us on port 443.
    pub tls_alpn_01: bool,
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on P-256.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits, for clients that know nothing else.
    Rsa2048,
}

/// Why no CA could ever issue what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWanted {
    /// There is no name.
    #[error("expected at least one name for a certificate, found none")]
    NoNames,
    /// There is no CA.
    #[error("{names}: expected at least one certificate authority, found none")]
    NoAuthorities {
        /// The certificate's names.
        names: String,
    },
    /// A CA's directory that nobody could ask.
    #[error("authority {authority}: expected the https:// URL of an ACME directory, found `{written}`")]
    Directory {
        /// The CA's name.
        authority: String,
        /// What was written for the URL.
        written: String,
    },
    /// A wildcard without a hook.
    #[error("{name}: a wildcard is proven by a DNS record only, and no DNS hook is set")]
    WildcardWithoutHook {
        /// The wildcard.
        name: Identifier,
    },
    /// Nothing that a CA could check.
    #[error("{name}: HTTP-01 and TLS-ALPN-01 are both off, and no DNS hook that could prove it is set")]
    NoChallenge {
        /// The name that cannot be proven.
        name: Identifier,
    },
}

// === impl Wanted ===

impl Wanted {
    /// A certificate for `names` from Let's Encrypt.
    pub fn new(names: impl IntoIterator<Item = Identifier>) -> Self {
        Self {
            names: names.into_iter().collect(),
            email: None,
            authorities: vec![Authority::lets_encrypt()],
            challenges: AllowedChallenges::default(),
            dns: None,
            key_type: KeyType::default(),
        }
    }

    /// Whether this can be asked of a CA at all. What cannot be is never asked; its task reports the error.
    pub fn check(&self) -> Result<(), InvalidWanted> {
        if self.names.is_empty() {
            return Err(InvalidWanted::NoNames);
        }
        if self.authorities.is_empty() {
            return Err(InvalidWanted::NoAuthorities { names: list(&self.names) });
        }
        for authority in &self.authorities {
            // Plain HTTP would let anybody on the way be the CA (RFC 8555 6.1).
            for url in [Some(&authority.directory), authority.staging.as_ref()].into_iter().flatten() {
                let parsed = url.parse::<http::Uri>().ok();
                if parsed.is_none_or(|url| url.scheme_str() != Some("https") || url.host().is_none()) {
                    let (authority, written) = (authority.name.clone(), url.clone());
                    return Err(InvalidWanted::Directory { authority, written });
                }
            }
        }
        let is_reachable = self.challenges.http_01 || self.challenges.tls_alpn_01;
        for name in &self.names {
            // A record proves names; an address is proven by being reached (RFC 8738 7).
            let has_record = self.dns.is_some() && matches!(name, Identifier::Dns(_));
            if name.is_wildcard() && !has_record {
                return Err(InvalidWanted::WildcardWithoutHook { name: name.clone() });
            }
            if !has_record && !is_reachable {
                return Err(InvalidWanted::NoChallenge { name: name.clone() });
            }
        }
        Ok(())
    }

    /// The name of this certificate's files and of its lock.
    pub(crate) fn file_name(&self) -> String {
        self.names.first().map(Identifier::file_name).unwrap_or_default()
    }
}

// === impl AllowedChallenges ===

impl Default for AllowedChallenges {
    fn default() -> Self {
        Self { http_01: true, tls_alpn_01: true }
    }
}

// === impl KeyType ===

impl KeyType {
    /// A new private key as PEM (PKCS #8).
    pub(crate) fn generate(self) -> Result<Secret, rcgen::Error> {
        let algorithm = match self {
            Self::P256 => &PKCS_ECDSA_P256_SHA256,
            Self::P384 => &PKCS_ECDSA_P384_SHA384,
            Self::Rsa2048 => &PKCS_RSA_SHA256,
        };
        Ok(Secret::new(KeyPair::generate_for(algorithm)?.serialize_pem()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_no_ca_could_issue_is_told_before_one_is_asked() {
        let hook = || DnsHook::exec("true", [], Duration::from_secs(1));
        let off = AllowedChallenges { http_01: false, tls_alpn_01: false };
        let wanted = |name: &str| Wanted::new([name.parse().unwrap()]);
        let asking = |url: &str| Wanted { authorities: vec![Authority::directory(url)], ..wanted("a.b") };
        let rows = [
            (wanted("app.example.com"), None, "a plain name"),
            (Wanted::new([]), Some("at least one name"), "no names"),
            (Wanted { authorities: vec![], ..wanted("a.b") }, Some("authority"), "no CA"),
            (asking("http://ca.example/dir"), Some("https:// URL"), "plain HTTP"),
            (asking("ca.example"), Some("`ca.example`"), "no URL"),
            (wanted("*.example.com"), Some("DNS hook"), "a wildcard without a hook"),
            (
                Wanted { dns: Some(hook()), challenges: off, ..wanted("*.example.com") },
                None,
                "one with a hook",
            ),
            (Wanted { challenges: off, ..wanted("a.b") }, Some("both off"), "nothing to prove it with"),
            (
                Wanted { dns: Some(hook()), challenges: off, ..wanted("192.0.2.1") },
                Some("both off"),
                "an address has no record",
            ),
        ];
        for (wanted, expected, message) in rows {
            let error = wanted.check().err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(error, None, "{message}"),
                Some(part) => {
                    assert!(error.as_ref().is_some_and(|e| e.contains(part)), "{message}: {error:?}")
                }
            }
        }
    }

    #[test]
    fn keys_of_every_kind_can_be_made() {
        for kind in [KeyType::P256, KeyType::P384, KeyType::Rsa2048] {
            let pem = kind.generate().unwrap();
            assert!(KeyPair::from_pem(pem.expose()).is_ok(), "{kind:?}");
        }
    }
}
