//! What a certificate says, and whether it can be used.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, Der, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::time::ASN1Time;

use crate::renewal::Lifetime;
use crate::{Identifier, Secret};

/// A chain and its key, read and found to belong together.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) chain_pem: String,
    pub(crate) key_pem: Secret,
    pub(crate) names: Vec<Identifier>,
    pub(crate) lifetime: Lifetime,
    /// What the CA calls it when it is asked when to renew it (RFC 9773 4.1). Private CAs leave out what it is made of.
    pub(crate) id: Option<instant_acme::CertificateIdentifier<'static>>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidCertificate {
    /// It is not PEM, or not a certificate.
    #[error("expected a certificate chain as PEM: {0}")]
    Chain(String),
    /// The key is not one.
    #[error("expected a private key as PEM")]
    Key,
    /// The key belongs to another certificate.
    #[error("the private key is not the certificate's: {0}")]
    Mismatch(rustls::Error),
    /// It is too late.
    #[error("it has ended at {0}")]
    Expired(Timestamp),
    /// It is for other names.
    #[error("it does not cover {0}")]
    NotCovered(Identifier),
}

// === impl Certificate ===

impl Certificate {
    /// Reads a chain and its key. The provider is only asked for the key's public half.
    pub(crate) fn read(
        chain_pem: String,
        key_pem: Secret,
        provider: &CryptoProvider,
    ) -> Result<Self, InvalidCertificate> {
        let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| InvalidCertificate::Chain(error.to_string()))?;
        let leaf = chain.first().ok_or_else(|| InvalidCertificate::Chain("there is none".to_owned()))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|error| InvalidCertificate::Chain(error.to_string()))?;
        let (names, lifetime, id) = (names(&parsed), lifetime(&parsed), id(&parsed));
        let key = PrivateKeyDer::from_pem_slice(key_pem.expose().as_bytes())
            .map_err(|_| InvalidCertificate::Key)?;
        CertifiedKey::from_der(chain.clone(), key, provider).map_err(InvalidCertificate::Mismatch)?;
        Ok(Self { chain_pem, key_pem, names, lifetime, id })
    }

    /// Whether it is good for all of `names` now.
    pub(crate) fn check(&self, names: &[Identifier], now: Timestamp) -> Result<(), InvalidCertificate> {
        if self.lifetime.not_after <= now {
            return Err(InvalidCertificate::Expired(self.lifetime.not_after));
        }
        match names.iter().find(|name| !name.is_covered_by(&self.names)) {
            Some(name) => Err(InvalidCertificate::NotCovered(name.clone())),
            None => Ok(()),
        }
    }
}

fn lifetime(certificate: &X509Certificate<'_>) -> Lifetime {
    let time = |time: ASN1Time, otherwise| Timestamp::from_second(time.timestamp()).unwrap_or(otherwise);
    let validity = certificate.validity();
    Lifetime {
        not_before: time(validity.not_before, Timestamp::MIN),
        not_after: time(validity.not_after, Timestamp::MAX),
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<Identifier> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let alternatives = alternatives.map(|extension| extension.value.general_names.as_slice());
    alternatives.unwrap_or_default().iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<Identifier> {
    if let GeneralName::DNSName(name) = name {
        return name.parse().ok();
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
    address.ok().map(Identifier::Ip)
}

fn id(certificate: &X509Certificate<'_>) -> Option<instant_acme::CertificateIdentifier<'static>> {
    let issuer = certificate.iter_extensions().find_map(|extension| {
        let ParsedExtension::AuthorityKeyIdentifier(issuer) = extension.parsed_extension() else {
            return None;
        };
        issuer.key_identifier.as_ref().map(|id| id.0)
    })?;
    let serial = Der::from_slice(certificate.tbs_certificate.raw_serial());
    Some(instant_acme::CertificateIdentifier::new(Der::from_slice(issuer), serial).into_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A self-signed certificate and its key.
    pub(crate) fn self_signed(names: &[&str], from: Timestamp, to: Timestamp) -> (String, Secret) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        // By way of the type of rcgen's own constructor, so that its calendar crate needs no name here.
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + std::time::Duration::from_secs(u64::try_from(from.as_second()).unwrap());
        params.not_after = epoch + std::time::Duration::from_secs(u64::try_from(to.as_second()).unwrap());
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), Secret::new(key.serialize_pem()))
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_certificate_tells_what_it_is_good_for() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let (from, to) = (second(1_800_000_000), second(1_800_086_400));
        let (chain, key) = self_signed(&["app.example.com", "*.example.org", "192.0.2.1"], from, to);
        let (_, other_key) = self_signed(&["app.example.com"], from, to);
        let certificate = Certificate::read(chain.clone(), key.clone(), &provider).unwrap();
        assert_eq!(certificate.lifetime, Lifetime { not_before: from, not_after: to });

        let rows = [
            (vec!["app.example.com", "a.example.org", "192.0.2.1"], from, None, "all of its names"),
            (vec!["app.example.com", "b.example.com"], from, Some("b.example.com"), "a name it has not"),
            (vec!["app.example.com"], to, Some("ended"), "its end"),
        ];
        for (names, now, expected, message) in rows {
            let names: Vec<Identifier> = names.iter().map(|name| name.parse().unwrap()).collect();
            let error = certificate.check(&names, now).err().map(|error| error.to_string());
            assert_eq!(error.is_some(), expected.is_some(), "{message}: {error:?}");
            assert!(error.unwrap_or_default().contains(expected.unwrap_or_default()), "{message}");
        }

        let rows = [
            (chain.clone(), other_key, "not the certificate's", "another certificate's key"),
            (chain, Secret::new("nonsense"), "private key", "no key"),
            ("nonsense".to_owned(), key.clone(), "certificate chain", "no chain"),
        ];
        for (chain, key, expected, message) in rows {
            let error = Certificate::read(chain, key, &provider).expect_err(message).to_string();
            assert!(error.contains(expected), "{message}: {error}");
            assert!(!error.contains("nonsense"), "{message}: what was read is not repeated");
        }
    }
}
