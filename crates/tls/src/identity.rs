//! A certificate chain with its key, checked before anybody is shown it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::name::Name;

/// A certificate chain and the key that belongs to it.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    names: Vec<Name>,
    not_before: SystemTime,
    not_after: SystemTime,
    issuer: String,
    serial: String,
}

/// Why a chain and a key are no identity.
#[derive(Debug, thiserror::Error)]
pub enum InvalidIdentity {
    /// There is no certificate in the chain.
    #[error("expected certificates in PEM (`BEGIN CERTIFICATE`), found none")]
    NoCertificate,
    /// The leaf cannot be read.
    #[error("its first certificate cannot be read: {0}")]
    Certificate(String),
    /// There is no key.
    #[error("expected a private key in PEM (`BEGIN PRIVATE KEY`), found none")]
    NoKey,
    /// The key is protected by a password.
    #[error("its private key is encrypted; store it without a password, readable by Headwall alone")]
    EncryptedKey,
    /// The key is of a kind that TLS has no use for here.
    #[error("its private key cannot be used: {0}")]
    Key(rustls::Error),
    /// Key and certificate have nothing to do with each other.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

impl Identity {
    /// Reads a chain, the leaf first, and a key, both in PEM.
    pub fn from_pem(chain: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<Self, InvalidIdentity> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| InvalidIdentity::Certificate(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            let encrypted = key.windows(9).any(|window| window == b"ENCRYPTED");
            if encrypted { InvalidIdentity::EncryptedKey } else { InvalidIdentity::NoKey }
        })?;
        Self::new(chain, key, provider)
    }

    /// A chain, the leaf first, and a key.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        provider: &CryptoProvider,
    ) -> Result<Self, InvalidIdentity> {
        let leaf = chain.first().ok_or(InvalidIdentity::NoCertificate)?.clone();
        let unreadable = |error: String| InvalidIdentity::Certificate(error);
        let (_, parsed) = X509Certificate::from_der(&leaf).map_err(|error| unreadable(error.to_string()))?;
        let key = provider.key_provider.load_private_key(key).map_err(InvalidIdentity::Key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                return Err(InvalidIdentity::Mismatch);
            }
            Err(error) => return Err(unreadable(error.to_string())),
        }
        let names = parsed.subject_alternative_name().map_err(|error| unreadable(error.to_string()))?;
        let names = names.map(|names| names.value.general_names.iter().filter_map(Name::of).collect());
        Ok(Self {
            key: Arc::new(certified),
            names: names.unwrap_or_default(),
            not_before: system_time(parsed.validity().not_before),
            not_after: system_time(parsed.validity().not_after),
            issuer: parsed.issuer().to_string(),
            serial: parsed.raw_serial_as_string().replace(':', ""),
        })
    }

    /// What rustls shows and signs with.
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// Whether it is for this host, in the spelling of [`headwall_route::host_of`].
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.covers(host))
    }

    /// Its names, as written in the certificate.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(Name::to_string)
    }

    /// When it begins to count.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// When it ends.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether it counts at that time.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Who has signed it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its serial number in hexadecimal, without colons.
    pub fn serial(&self) -> &str {
        &self.serial
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn system_time(time: ASN1Time) -> SystemTime {
    match u64::try_from(time.timestamp()) {
        Ok(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => SystemTime::UNIX_EPOCH,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::provider;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    /// A self-signed chain and its key, for these names and years.
    pub(crate) fn pem(names: &[&str], years: (i32, i32)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn identity(names: &[&str], years: (i32, i32)) -> Identity {
        let (chain, key) = pem(names, years);
        Identity::from_pem(chain.as_bytes(), key.as_bytes(), &provider()).unwrap()
    }

    #[test]
    fn names_and_dates_are_read() {
        let identity = identity(&["app.example.com", "*.example.org", "127.0.0.1"], (2020, 2040));
        assert_eq!(identity.names().collect::<Vec<_>>(), ["app.example.com", "*.example.org", "127.0.0.1"]);
        assert!(identity.covers("app.example.com") && identity.covers("a.example.org"));
        assert!(identity.covers("127.0.0.1") && !identity.covers("example.com"));
        let year = |year: u64| SystemTime::UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_557_600);
        assert!(identity.is_valid_at(year(2030)));
        assert!(!identity.is_valid_at(year(2019)) && !identity.is_valid_at(year(2041)));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let (chain, key) = pem(&["a.example.com"], (2020, 2040));
        let (_, other) = pem(&["a.example.com"], (2020, 2040));
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let rows = [
            ("", key.as_str(), "found none"),
            (&chain, "", "expected a private key"),
            (&chain, &other, "does not belong"),
            (&chain, encrypted, "is encrypted"),
            (broken, &key, "cannot be read"),
            (&key, &chain, "found none"),
        ];
        for (chain, key, expected) in rows {
            let error = Identity::from_pem(chain.as_bytes(), key.as_bytes(), &provider()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error} is not {expected:?}");
            assert!(!error.to_string().contains("AAAA"), "nothing of a key is shown");
        }
    }
}
