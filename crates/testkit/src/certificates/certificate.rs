//! What stands in a certificate, for tests that ask which one they were shown.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// An X.509 certificate (RFC 5280).
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(CertificateDer<'static>);

impl Certificate {
    pub(crate) fn new(der: CertificateDer<'static>) -> Self {
        Self(der)
    }

    /// The certificate as it was on the wire.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// The serial number in lower-case hexadecimal, without leading zero bytes.
    #[must_use]
    pub fn serial(&self) -> String {
        let read = self.read();
        let bytes = read.raw_serial();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        hex(&bytes[zeros.min(bytes.len() - 1)..])
    }

    /// The subject, such as `CN=alice, O=Example`.
    #[must_use]
    pub fn subject(&self) -> String {
        self.read().subject().to_string()
    }

    /// The subject of who issued it.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.read().issuer().to_string()
    }

    /// The SHA-256 of the DER in lower-case hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(ring::digest::digest(&ring::digest::SHA256, &self.0).as_ref())
    }

    /// The host names and addresses that it is for, in the order of the certificate.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let read = self.read();
        let names = read.subject_alternative_name().ok().flatten();
        names.into_iter().flat_map(|names| &names.value.general_names).filter_map(name).collect()
    }

    fn read(&self) -> X509Certificate<'_> {
        match X509Certificate::from_der(&self.0) {
            Ok((_, read)) => read,
            Err(error) => panic!("expected a certificate, but {error}"),
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = out.debug_struct("Certificate");
        fields.field("subject", &self.subject()).field("names", &self.names());
        fields.field("serial", &self.serial()).finish_non_exhaustive()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only these two are names of servers")]
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(v4) => Some(Ipv4Addr::from(v4).to_string()),
            Err(_) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
