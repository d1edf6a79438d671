//! Tokens that prove themselves.
//!
//! A token is `base64url(expiry, nonce, user, tag)`: eight bytes of Unix time, sixteen random ones that make it unique,
//! whom it was given to, and an HMAC-SHA256 (RFC 2104) over all of them. The time is a parameter of every function here,
//! so a test needs no clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use headwall_core::units::Secret;

/// Expiry and nonce, which stand before the user.
const FIXED: usize = 8 + 16;
/// What the HMAC has.
const TAG: usize = 32;
/// The longest user, in bytes, so that a token fits into a cookie.
const LONGEST_USER: usize = 512;
/// The shortest key, in bytes: as long as the tag.
const SHORTEST_KEY: usize = 32;
/// Says what is signed, so that nothing else under the same key can be taken for it.
const PURPOSE: &[u8] = b"headwall session token 1";

/// Makes tokens with the first key, and judges them by all.
pub(super) struct Tokens {
    keys: Vec<hmac::Key>,
}

/// Why there are no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidKey {
    #[error("expected a key of at least {SHORTEST_KEY} bytes, found {0}: `openssl rand -hex 32` makes one")]
    Short(usize),
}

/// Why a token could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoToken {
    #[error("there is no randomness to be had")]
    Random,
    #[error("the name of the user has more than {LONGEST_USER} bytes")]
    User,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is none of ours.
    Invalid,
    /// It was good once.
    Expired,
}

impl Tokens {
    /// Tokens that are signed with `key`, and accepted if they were signed with one of `previous` too.
    pub(super) fn new(key: &Secret, previous: &[Secret]) -> Result<Self, InvalidKey> {
        let read = |key: &Secret| match key.expose().as_bytes() {
            bytes if bytes.len() < SHORTEST_KEY => Err(InvalidKey::Short(bytes.len())),
            bytes => Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes)),
        };
        let keys = std::iter::once(key).chain(previous).map(read).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// A token for a user, or for nobody in particular, that is good for so long from `now`.
    pub(super) fn issue(&self, now: SystemTime, lifetime: Duration, user: &str) -> Result<String, NoToken> {
        if user.len() > LONGEST_USER {
            return Err(NoToken::User);
        }
        let key = self.keys.first().ok_or(NoToken::Random)?;
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| NoToken::Random)?;
        let mut token = Vec::with_capacity(FIXED + user.len() + TAG);
        token.extend_from_slice(&seconds(now + lifetime).to_be_bytes());
        token.extend_from_slice(&nonce);
        token.extend_from_slice(user.as_bytes());
        let tag = hmac::sign(key, &signed(&token));
        token.extend_from_slice(tag.as_ref());
        Ok(BASE64.encode(token))
    }

    /// Whom a token was given to, if it is one of ours and still good at `now`. The signature is compared in constant time.
    pub(super) fn user(&self, token: &str, now: SystemTime) -> Result<String, Refused> {
        if token.len() > (FIXED + LONGEST_USER + TAG).div_ceil(3) * 4 {
            return Err(Refused::Invalid);
        }
        let token = BASE64.decode(token).map_err(|_| Refused::Invalid)?;
        let border =
            token.len().checked_sub(TAG).filter(|border| *border >= FIXED).ok_or(Refused::Invalid)?;
        let (claim, tag) = token.split_at(border);
        let text = signed(claim);
        if !self.keys.iter().any(|key| hmac::verify(key, &text, tag).is_ok()) {
            return Err(Refused::Invalid);
        }
        let expiry = claim.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(Refused::Invalid)?;
        if seconds(now) >= expiry {
            return Err(Refused::Expired);
        }
        String::from_utf8(claim[FIXED..].to_vec()).map_err(|_| Refused::Invalid)
    }
}

fn signed(claim: &[u8]) -> Vec<u8> {
    [PURPOSE, claim].concat()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an old key that nobody can guess";
    const NEW: &str = "a new key that nobody can guess!";
    const HOUR: Duration = Duration::from_secs(3600);

    fn tokens(key: &str, previous: &[&str]) -> Tokens {
        let previous: Vec<_> = previous.iter().map(|key| key.parse().unwrap()).collect();
        Tokens::new(&key.parse().unwrap(), &previous).unwrap()
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn a_token_is_good_until_its_last_second_and_names_its_user() {
        let tokens = tokens(NEW, &[]);
        let token = tokens.issue(now(), HOUR, "ada").unwrap();
        let rows =
            [(0, Ok("ada")), (3599, Ok("ada")), (3600, Err(Refused::Expired)), (7200, Err(Refused::Expired))];
        for (later, expected) in rows {
            let user = tokens.user(&token, now() + Duration::from_secs(later));
            assert_eq!(user.as_deref().map_err(|refused| *refused), expected, "{later} s later");
        }
        assert_ne!(token, tokens.issue(now(), HOUR, "ada").unwrap(), "no two are alike");
    }

    #[test]
    fn nobody_else_can_make_one() {
        let tokens = tokens(NEW, &[]);
        let good = tokens.issue(now(), HOUR, "ada").unwrap();
        let mut bytes = BASE64.decode(&good).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            assert_eq!(tokens.user(&BASE64.encode(&bytes), now()), Err(Refused::Invalid), "byte {index}");
            bytes[index] ^= 1;
        }
        let rows = [
            ("", "nothing"),
            ("AAAA", "too short to be one"),
            (&good[..good.len() - 4], "cut off"),
            ("%%%", "rubbish"),
            (&"A".repeat(4096), "too long to be one"),
        ];
        for (token, row) in rows {
            assert_eq!(tokens.user(token, now()), Err(Refused::Invalid), "{row}");
        }
    }

    #[test]
    fn a_key_can_be_changed_without_ending_sessions() {
        let token = tokens(OLD, &[]).issue(now(), HOUR, "").unwrap();
        assert_eq!(tokens(NEW, &[]).user(&token, now()), Err(Refused::Invalid));
        assert_eq!(tokens(NEW, &[OLD]).user(&token, now()).as_deref(), Ok(""));
        let token = tokens(NEW, &[OLD]).issue(now(), HOUR, "").unwrap();
        assert!(tokens(OLD, &[]).user(&token, now()).is_err(), "it is signed with the new one");
    }

    #[test]
    fn a_short_key_is_refused_and_not_repeated() {
        let error = Tokens::new(&"hunter2".parse().unwrap(), &[]).err().unwrap().to_string();
        assert!(error.contains("at least 32 bytes, found 7") && !error.contains("hunter2"), "{error}");
    }
}
