//! Whom a client believes.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::certificates::Authority;

/// Whom a [`Client`](crate::Client) believes: certificates below some roots, or anyone's.
#[derive(Debug, Clone)]
pub struct Trust {
    /// `None` for anyone.
    roots: Option<Arc<RootCertStore>>,
}

/// Takes every certificate, and checks only that the server has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

// === impl Trust ===

impl Trust {
    /// Every certificate, the expired and the self-signed included: for tests that ask which one is shown.
    #[must_use]
    pub fn anyone() -> Self {
        Self { roots: None }
    }

    /// The certificates of a CA bundle.
    ///
    /// # Panics
    ///
    /// When there is none in it.
    #[must_use]
    pub fn pem(bundle: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()).flatten() {
            roots.add(certificate).unwrap_or_else(|error| panic!("a root is not taken: {error}"));
        }
        assert!(!roots.is_empty(), "expected certificates, but there are none in `{bundle}`");
        roots.into()
    }

    pub(super) fn verifier(&self, provider: &Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier> {
        let Some(roots) = &self.roots else {
            return Arc::new(Anyone(Arc::clone(provider)));
        };
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider)).build();
        builder.unwrap_or_else(|error| panic!("servers cannot be verified: {error}"))
    }
}

impl From<&Authority> for Trust {
    fn from(authority: &Authority) -> Self {
        authority.roots().into()
    }
}

impl From<RootCertStore> for Trust {
    fn from(roots: RootCertStore) -> Self {
        Self { roots: Some(Arc::new(roots)) }
    }
}

// === impl Anyone ===

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
