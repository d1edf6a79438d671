//! The certificate that answers TLS-ALPN-01 (RFC 8737).

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use crate::storage::StorageError;

/// Why a challenge cannot be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotAnswer {
    /// The CA's token is none.
    #[error("the CA's token is not base64url with 1 to 128 characters, as RFC 8555 8.3 has it")]
    Token,
    /// The certificate for TLS-ALPN-01 cannot be made.
    #[error("cannot make the certificate for tls-alpn-01: {0}")]
    Certificate(String),
    /// The answer cannot be stored.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A self-signed certificate for a name or an address, with the digest of a key authorization in `acmeIdentifier`.
pub(super) fn certificate(identifier: &str, digest: &[u8; 32]) -> Result<CertifiedKey, CannotAnswer> {
    let failed = |error: rcgen::Error| CannotAnswer::Certificate(error.to_string());
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new([identifier.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(failed)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| CannotAnswer::Certificate(error.to_string()))?;
    // Not compared with the certificate: rustls would read it and stumble over its critical extension.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}
