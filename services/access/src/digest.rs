//! Secrets by a digest that nobody can predict.
//!
//! Comparing secrets byte by byte takes longer the more of them is right, and a clock sees that. What a client has shown
//! is therefore never compared itself, but its HMAC under a key that this process has drawn: how long a look-up of that
//! takes tells nothing about the secret.

use aws_lc_rs::hmac;
use headwall_core::BoxError;

/// What a secret looks like here.
pub(crate) type Digest = [u8; 32];

/// Draws digests under a key of its own.
pub(crate) struct Digester(hmac::Key);

impl Digester {
    /// With a fresh random key.
    pub(crate) fn new() -> Result<Self, BoxError> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| "there is no randomness to be had")?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The digest of some parts. Their borders are part of it.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = Digest::default();
        // HMAC-SHA256 has as many bytes.
        for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_count_and_every_key_is_another() {
        let (one, two) = (Digester::new().unwrap(), Digester::new().unwrap());
        assert_eq!(one.of(&[b"ab", b"c"]), one.of(&[b"ab", b"c"]));
        assert_ne!(one.of(&[b"ab", b"c"]), one.of(&[b"a", b"bc"]), "another border");
        assert_ne!(one.of(&[b"ab"]), two.of(&[b"ab"]), "another key");
    }
}
