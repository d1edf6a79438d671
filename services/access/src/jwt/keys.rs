//! Keys, each with the algorithms that it may be used with.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use headwall_core::units::Secret;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JwtKey;

/// The shortest secret, in bytes: as long as the hash of HS256 (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

/// An algorithm that tokens are signed with (RFC 7518, 3.1, and RFC 8037). There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the RFCs, and there is nothing to add to them")]
pub enum SignatureAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// A key, the algorithms that it is for, and its name, if it has one.
pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<SignatureAlgorithm>,
    key: DecodingKey,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidKey {
    #[error(
        "expected a secret of at least {SHORTEST_SECRET} bytes, found {0}: a shorter one can be guessed (RFC 7518, 3.2)"
    )]
    Short(usize),
    #[error("expected a secret in base64, found something else")]
    Base64,
    #[error("expected a public key in PEM (RSA, EC or Ed25519), found something else")]
    Pem,
    #[error("{}: expected a public key in PEM (RSA, EC or Ed25519), found something else", .0.display())]
    PemFile(PathBuf),
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
}

// === impl SignatureAlgorithm ===

impl SignatureAlgorithm {
    /// The algorithm that a token's header names.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::HS256,
            "HS384" => Self::HS384,
            "HS512" => Self::HS512,
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "EdDSA" => Self::EdDSA,
            _ => return None,
        })
    }

    fn implemented(self) -> Algorithm {
        match self {
            Self::HS256 => Algorithm::HS256,
            Self::HS384 => Algorithm::HS384,
            Self::HS512 => Algorithm::HS512,
            Self::RS256 => Algorithm::RS256,
            Self::RS384 => Algorithm::RS384,
            Self::RS512 => Algorithm::RS512,
            Self::PS256 => Algorithm::PS256,
            Self::PS384 => Algorithm::PS384,
            Self::PS512 => Algorithm::PS512,
            Self::ES256 => Algorithm::ES256,
            Self::ES384 => Algorithm::ES384,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }

    /// All that keys of one kind can be used with.
    fn of(family: AlgorithmFamily) -> Vec<Self> {
        match family {
            AlgorithmFamily::Hmac => vec![Self::HS256, Self::HS384, Self::HS512],
            AlgorithmFamily::Rsa => {
                vec![Self::RS256, Self::RS384, Self::RS512, Self::PS256, Self::PS384, Self::PS512]
            }
            AlgorithmFamily::Ec => vec![Self::ES256, Self::ES384],
            AlgorithmFamily::Ed => vec![Self::EdDSA],
        }
    }
}

// === impl Key ===

impl Key {
    /// A key of the config.
    pub(super) fn new(key: &JwtKey) -> Result<Self, InvalidKey> {
        match key {
            JwtKey::Secret(secret) => Self::secret(secret.expose().as_bytes()),
            JwtKey::SecretBase64(secret) => Self::secret(&decoded(secret)?),
            JwtKey::Pem(pem) => Self::pem(pem.as_bytes()).ok_or(InvalidKey::Pem),
            JwtKey::File(path) => Self::file(path),
        }
    }

    fn secret(bytes: &[u8]) -> Result<Self, InvalidKey> {
        if bytes.len() < SHORTEST_SECRET {
            return Err(InvalidKey::Short(bytes.len()));
        }
        Ok(Self::nameless(DecodingKey::from_secret(bytes)))
    }

    fn pem(pem: &[u8]) -> Option<Self> {
        let key = DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem));
        key.ok().map(Self::nameless)
    }

    fn file(path: &Path) -> Result<Self, InvalidKey> {
        let pem =
            fs::read(path).map_err(|source| InvalidKey::Unreadable { path: path.to_owned(), source })?;
        Self::pem(&pem).ok_or_else(|| InvalidKey::PemFile(path.to_owned()))
    }

    fn nameless(key: DecodingKey) -> Self {
        Self { id: None, algorithms: SignatureAlgorithm::of(key.family()), key }
    }

    /// A published key, unless it is one that tokens are not signed with. A published secret is none.
    pub(super) fn published(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return None;
        }
        let operations = common.key_operations.as_ref();
        if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what is not known not to be a key for this is none"
        )]
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => SignatureAlgorithm::of(AlgorithmFamily::Rsa),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                vec![SignatureAlgorithm::ES256]
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
                vec![SignatureAlgorithm::ES384]
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                vec![SignatureAlgorithm::EdDSA]
            }
            // Secrets, which nobody publishes, and kinds that are still to come.
            _ => return None,
        };
        if let Some(only) = common.key_algorithm {
            algorithms.retain(|algorithm| SignatureAlgorithm::named(&only.to_string()) == Some(*algorithm));
        }
        if algorithms.is_empty() {
            return None;
        }
        Some(Self { id: common.key_id.clone(), algorithms, key: DecodingKey::from_jwk(jwk).ok()? })
    }

    /// Whether a token that names this algorithm and this key may have been signed with it.
    pub(super) fn may_have_signed(&self, algorithm: SignatureAlgorithm, id: Option<&str>) -> bool {
        let is_it = match (&self.id, id) {
            (Some(own), Some(named)) => own == named,
            // A key of the config has no name, and a token need not name one.
            (None, _) | (_, None) => true,
        };
        is_it && self.algorithms.contains(&algorithm)
    }

    pub(super) fn has_signed(&self, algorithm: SignatureAlgorithm, message: &str, signature: &str) -> bool {
        let verified =
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, algorithm.implemented());
        verified.unwrap_or(false)
    }
}

/// A secret without the clothes that a text needs.
fn decoded(secret: &Secret) -> Result<Vec<u8>, InvalidKey> {
    let text = secret.expose().trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text));
    bytes.map_err(|_| InvalidKey::Base64)
}
