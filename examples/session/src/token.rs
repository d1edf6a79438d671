//! Tokens that prove themselves.
//!
//! A token is `base64url(expiry, nonce, tag)`: eight bytes of Unix time, sixteen random ones that make it unique, and an
//! HMAC-SHA256 (RFC 2104) over both. The time is a parameter of every function here, so a test needs no clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use headwall::units::Secret;
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac};

/// Expiry and nonce, which are signed.
const CLAIM: usize = 8 + 16;

/// Makes tokens and judges them.
pub(crate) struct Tokens {
    key: hmac::Key,
    random: SystemRandom,
}

impl Tokens {
    /// Tokens that are signed with this key.
    pub(crate) fn new(key: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        Self { key, random: SystemRandom::new() }
    }

    /// A token that is good for so long from `now`.
    pub(crate) fn issue(&self, now: SystemTime, lifetime: Duration) -> Result<String, Unspecified> {
        let mut token = Vec::with_capacity(CLAIM + digest::SHA256_OUTPUT_LEN);
        token.extend_from_slice(&seconds(now + lifetime).to_be_bytes());
        token.resize(CLAIM, 0);
        self.random.fill(&mut token[8..])?;
        let tag = hmac::sign(&self.key, &token);
        token.extend_from_slice(tag.as_ref());
        Ok(BASE64.encode(token))
    }

    /// Whether a token is one of ours and still good at `now`. The signature is compared in constant time.
    pub(crate) fn is_good(&self, token: &str, now: SystemTime) -> bool {
        let Ok(token) = BASE64.decode(token) else { return false };
        let Some((claim, tag)) = token.split_at_checked(CLAIM) else { return false };
        let Some(expiry) = claim.first_chunk() else { return false };
        hmac::verify(&self.key, claim, tag).is_ok() && seconds(now) < u64::from_be_bytes(*expiry)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
