//! Certificates that clients show (mutual TLS).

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// What a site wants of its clients.
#[derive(Clone)]
pub struct ClientAuth(Arc<dyn ClientCertVerifier>);

/// Why client certificates cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum InvalidClientAuth {
    /// The bundle has none.
    #[error("expected certificates in PEM (`BEGIN CERTIFICATE`), found none")]
    NoCertificate,
    /// One of them cannot be used.
    #[error("one of its certificates cannot be used: {0}")]
    Certificate(String),
}

impl ClientAuth {
    /// Verifies what clients show against a bundle of authorities in PEM. `required` refuses clients that show nothing;
    /// otherwise they are let in unnamed. A certificate that does not verify is refused in both cases.
    pub fn new(
        bundle: &[u8],
        required: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, InvalidClientAuth> {
        let invalid = |error: String| InvalidClientAuth::Certificate(error);
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle) {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(InvalidClientAuth::NoCertificate);
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if required { builder } else { builder.allow_unauthenticated() };
        builder.build().map(Self).map_err(|error| invalid(error.to_string()))
    }

    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.0.clone()
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let required = self.0.client_auth_mandatory();
        f.debug_struct("ClientAuth").field("required", &required).finish_non_exhaustive()
    }
}
