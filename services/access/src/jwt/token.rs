//! A token in its compact form (RFC 7515, 3.1), from its text to claims that are proven.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::Value;

use super::claims::Claims;
use super::keys::{Key, SignatureAlgorithm};

/// How many keys are tried for a token that names none: each costs a signature.
const MOST_TRIES: usize = 8;

/// A token of which nothing is believed yet.
pub(super) struct Token<'a> {
    pub(super) algorithm: SignatureAlgorithm,
    key_id: Option<String>,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// Why a token is not accepted. The words are for the client too, so there is nothing of the token in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the token is malformed")]
    Malformed,
    #[error("the algorithm of the token is not accepted")]
    Algorithm,
    #[error("the key of the token is not known")]
    UnknownKey,
    #[error("the signature of the token is wrong")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token does not expire")]
    Endless,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token was issued by somebody else")]
    Issuer,
    #[error("the token is for somebody else")]
    Audience,
    #[error("the token does not allow this")]
    Condition,
    #[error("there are no keys to check tokens with")]
    NoKeys,
}

/// What is needed of a header (RFC 7515, 4.1).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

// === impl Token ===

impl<'a> Token<'a> {
    /// Reads the outside of a token.
    pub(super) fn read(text: &'a str) -> Result<Self, Refused> {
        let (message, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Refused::Malformed)?;
        if payload.contains('.') {
            return Err(Refused::Malformed);
        }
        let header = BASE64.decode(header).map_err(|_| Refused::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| Refused::Malformed)?;
        // Extensions that must be understood are not (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(Refused::Malformed);
        }
        let algorithm = SignatureAlgorithm::named(&header.alg).ok_or(Refused::Algorithm)?;
        Ok(Self { algorithm, key_id: header.kid, message, payload, signature })
    }

    /// Whether it says which key it was signed with.
    pub(super) fn names_its_key(&self) -> bool {
        self.key_id.is_some()
    }

    /// The claims, if one of the keys has signed them.
    pub(super) fn verified(&self, keys: &[Key]) -> Result<Claims, Refused> {
        let candidates =
            keys.iter().filter(|key| key.may_have_signed(self.algorithm, self.key_id.as_deref()));
        let mut tried = false;
        for key in candidates.take(MOST_TRIES) {
            if key.has_signed(self.algorithm, self.message, self.signature) {
                let payload = BASE64.decode(self.payload).map_err(|_| Refused::Malformed)?;
                return serde_json::from_slice(&payload).map(Claims).map_err(|_| Refused::Malformed);
            }
            tried = true;
        }
        Err(if tried { Refused::Signature } else { Refused::UnknownKey })
    }
}

// === impl Refused ===

impl Refused {
    pub(super) const ALL: [Self; 11] = [
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::Expired,
        Self::Endless,
        Self::NotYet,
        Self::Issuer,
        Self::Audience,
        Self::Condition,
        Self::NoKeys,
    ];
}

#[cfg(test)]
mod tests;
