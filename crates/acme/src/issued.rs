//! A certificate as it is handed over.

use jiff::Timestamp;

use crate::{Identifier, Secret};

/// A certificate that was checked: its key fits, it covers the names, it has not ended.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate and those that lead to the root, as PEM, in the order of a handshake.
    pub chain_pem: String,
    /// The private key as PEM (PKCS #8).
    pub key_pem: Secret,
    /// The names in the certificate.
    pub names: Vec<Identifier>,
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
    /// The name of the CA that issued it.
    pub authority: String,
    /// Whether it was found in the storage: from an earlier run, or from another process.
    pub is_stored: bool,
}
