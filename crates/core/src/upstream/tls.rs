//! TLS towards a server: who is trusted, what name the server has to prove, and who we say we are.
//!
//! Everything that can be wrong with a certificate or a key is found out here, once, so that a connection can only fail for
//! what the server does.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use pingora_core::protocols::tls::CaType;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName as ParsedName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use x509_parser::parse_x509_certificate;

/// How TLS is spoken to a server. The default trusts the system's certificate authorities and shows no certificate.
#[derive(Clone, Default)]
pub struct PeerTls {
    ca: Option<Arc<CaType>>,
    identity: Option<Arc<CertKey>>,
    skips_verification: bool,
    fingerprint: u64,
}

/// The name that a server's certificate must be valid for, and that is sent as SNI (RFC 6066, 3): a host name, or an IP
/// address, which is verified as such and not sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ServerName(String);

/// A text that no certificate can be valid for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a host name or an IP address, was `{0}`")]
pub struct InvalidServerName(String);

/// A certificate or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnusablePem {
    /// Not PEM.
    #[error("expected PEM: {0}")]
    NotPem(rustls_pki_types::pem::Error),
    /// PEM with nothing that is wanted in it.
    #[error("expected at least one `-----BEGIN CERTIFICATE-----`, found none")]
    NoCertificate,
    /// A certificate that is none.
    #[error("certificate {number} in it cannot be used: {why}")]
    Certificate {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// No key.
    #[error("expected an unencrypted private key (`-----BEGIN PRIVATE KEY-----`), found none")]
    NoKey,
    /// A key that is not PEM.
    #[error("expected a private key as PEM: {0}")]
    KeyNotPem(rustls_pki_types::pem::Error),
    /// A key of an unknown kind.
    #[error("the private key cannot be used: {0}")]
    Key(rustls::Error),
    /// Somebody else's key.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

// === impl PeerTls ===

impl PeerTls {
    /// Trusts the certificate authorities in this PEM bundle, and no others.
    pub fn with_ca(mut self, pem: &[u8]) -> Result<Self, UnusablePem> {
        let certificates = certificates(pem)?;
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|error| unusable(index, &error))?;
        }
        self.mix_in(&("ca", &certificates));
        self.ca = Some(certificates.iter().map(wrapped).collect());
        Ok(self)
    }

    /// Shows this certificate to servers that ask for one: PEM of the chain, the leaf first, and of its private key.
    pub fn with_identity(mut self, chain: &[u8], key: &[u8]) -> Result<Self, UnusablePem> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            let is_missing = matches!(error, rustls_pki_types::pem::Error::NoItemsFound);
            if is_missing { UnusablePem::NoKey } else { UnusablePem::KeyNotPem(error) }
        })?;
        let der = key.secret_der().to_vec();
        CertifiedKey::from_der(chain.clone(), key, &aws_lc_rs::default_provider()).map_err(|error| {
            let is_anothers = matches!(error, rustls::Error::InconsistentKeys(_));
            if is_anothers { UnusablePem::Mismatch } else { UnusablePem::Key(error) }
        })?;
        // The key needs no part in it: it belongs to the certificate.
        self.mix_in(&("identity", &chain));
        let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
        self.identity = Some(Arc::new(CertKey::new(chain, der)));
        Ok(self)
    }

    /// Takes any certificate for the server's. Whoever sits between Headwall and the server can then read and change
    /// everything; this is for a server whose certificate nobody can verify, on a network that nobody else is on.
    #[must_use]
    pub fn without_verification(mut self) -> Self {
        self.mix_in(&"without verification");
        self.skips_verification = true;
        self
    }

    /// A number that differs where the certificates differ: two connections may be exchanged for one another only if
    /// theirs are equal. It is worth nothing in another process.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(super) fn apply(&self, http: &mut HttpPeer) {
        http.options.ca.clone_from(&self.ca);
        http.client_cert_key.clone_from(&self.identity);
        http.options.verify_cert = !self.skips_verification;
        http.options.verify_hostname = !self.skips_verification;
        // Pingora tells connections apart by address, SNI and the serial number of the client's certificate. A CA is none of
        // these, and serial numbers are unique within one CA only.
        http.group_key = self.fingerprint;
    }

    fn mix_in(&mut self, what: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        self.fingerprint.hash(&mut hasher);
        what.hash(&mut hasher);
        self.fingerprint = hasher.finish();
    }
}

impl fmt::Debug for PeerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerTls")
            .field("own_ca", &self.ca.is_some())
            .field("shows_certificate", &self.identity.is_some())
            .field("skips_verification", &self.skips_verification)
            .finish_non_exhaustive()
    }
}

/// The certificates in a PEM text, each of them well-formed.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnusablePem> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(UnusablePem::NotPem)?;
    if found.is_empty() {
        return Err(UnusablePem::NoCertificate);
    }
    for (index, certificate) in found.iter().enumerate() {
        parse_x509_certificate(certificate).map_err(|error| unusable(index, &error))?;
    }
    Ok(found)
}

fn unusable(index: usize, why: &dyn fmt::Display) -> UnusablePem {
    UnusablePem::Certificate { number: index + 1, why: why.to_string() }
}

/// Pingora's form of a certificate, which must be well-formed.
fn wrapped(certificate: &CertificateDer<'_>) -> WrappedX509 {
    WrappedX509::new(certificate.to_vec(), parse_x509)
}

// === impl UnusablePem ===

impl UnusablePem {
    /// Whether the key is to blame, and not the certificate.
    pub fn is_about_key(&self) -> bool {
        match self {
            Self::NoKey | Self::KeyNotPem(_) | Self::Key(_) | Self::Mismatch => true,
            Self::NotPem(_) | Self::NoCertificate | Self::Certificate { .. } => false,
        }
    }
}

// === impl ServerName ===

impl ServerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<Self, InvalidServerName> {
        match ParsedName::try_from(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(InvalidServerName(text.to_owned())),
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ServerName {
    type Error = InvalidServerName;

    fn try_from(text: String) -> Result<Self, InvalidServerName> {
        text.parse()
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.0
    }
}
