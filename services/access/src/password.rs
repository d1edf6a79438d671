//! Passwords as they are kept: hashes that are slow on purpose.
//!
//! bcrypt in the forms that `htpasswd -B` and crypt(3) write (`$2y$`, `$2b$`, `$2a$`), and argon2id (RFC 9106) in the PHC
//! form. What is fast to guess is refused by name, so that nobody finds out in production that it never worked.

use std::fmt;
use std::str::FromStr;

use ::bcrypt::{HashParts, Version};
use argon2::password_hash::SaltString;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use headwall_core::BoxError;

/// The cost of new bcrypt hashes: about 200 ms of one core.
const BCRYPT_COST: u32 = 12;
/// The highest cost that is accepted: a minute for one password is no protection but an outage.
const MOST_BCRYPT_COST: u32 = 16;
/// The most memory that one argon2 hash may ask for, in KiB.
const MOST_MEMORY: u32 = 256 * 1024;
/// The most passes that one argon2 hash may ask for.
const MOST_PASSES: u32 = 32;

/// The hash of a password. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Bcrypt(String),
    Argon2(String),
}

/// Why a text is no [`struct@Hash`]. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// Another way to keep passwords, by its name.
    #[error("expected a bcrypt or argon2id hash, found {0}, which is too easy to guess or not supported")]
    Unsupported(&'static str),
    /// Not a hash at all; perhaps a password.
    #[error(
        "expected a bcrypt ($2y$…) or argon2id ($argon2id$…) hash, found neither; `headwall hash-password` makes one"
    )]
    Unknown,
    /// It begins like a hash and does not go on like one.
    #[error("expected {0} hash, found one that is cut off or malformed")]
    Malformed(&'static str),
    /// A check would take too long or too much memory.
    #[error("expected {0}, found more: one check would hold up the others")]
    TooCostly(&'static str),
}

// === impl Hash ===

impl Hash {
    /// Whether this is the hash of the password. Slow: keep it off threads that serve requests.
    pub fn is_of(&self, password: &[u8]) -> bool {
        match &self.0 {
            Kind::Bcrypt(hash) => ::bcrypt::verify(password, hash).unwrap_or(false),
            Kind::Argon2(hash) => PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
        }
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        const UNSUPPORTED: [(&str, &str); 9] = [
            ("$apr1$", "MD5 (`$apr1$`)"),
            ("$1$", "MD5 (`$1$`)"),
            ("{SHA}", "SHA-1 (`{SHA}`)"),
            ("{SSHA}", "SHA-1 (`{SSHA}`)"),
            ("$5$", "SHA-256 crypt (`$5$`)"),
            ("$6$", "SHA-512 crypt (`$6$`)"),
            ("$y$", "yescrypt (`$y$`)"),
            ("$argon2d$", "argon2d"),
            ("$argon2i$", "argon2i"),
        ];
        if let Some((_, name)) = UNSUPPORTED.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            return Err(InvalidHash::Unsupported(name));
        }
        if ["$2y$", "$2b$", "$2a$"].iter().any(|prefix| text.starts_with(prefix)) {
            let parts: HashParts = text.parse().map_err(|_| InvalidHash::Malformed("a bcrypt"))?;
            if text.len() != 60 {
                return Err(InvalidHash::Malformed("a bcrypt"));
            }
            if parts.get_cost() > MOST_BCRYPT_COST {
                return Err(InvalidHash::TooCostly("a bcrypt cost of at most 16"));
            }
            return Ok(Self(Kind::Bcrypt(text.to_owned())));
        }
        if text.starts_with("$argon2id$") {
            let malformed = InvalidHash::Malformed("an argon2id");
            let hash = PasswordHash::new(text).map_err(|_| malformed)?;
            let params = Params::try_from(&hash).map_err(|_| malformed)?;
            if hash.hash.is_none() || hash.salt.is_none() {
                return Err(malformed);
            }
            if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES {
                return Err(InvalidHash::TooCostly("an argon2id of at most 256 MiB and 32 passes"));
            }
            return Ok(Self(Kind::Argon2(text.to_owned())));
        }
        Err(InvalidHash::Unknown)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Bcrypt(_) => "Hash(bcrypt)",
            Kind::Argon2(_) => "Hash(argon2)",
        })
    }
}

/// Hashes a password with argon2id: 19 MiB, two passes, one lane, as OWASP recommends.
pub fn argon2id(password: &[u8]) -> Result<String, BoxError> {
    let salt = SaltString::encode_b64(&random()?)?;
    let hasher = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, Params::default());
    Ok(hasher.hash_password(password, &salt)?.to_string())
}

/// Hashes a password with bcrypt at cost 12. One of more than 72 bytes is refused: bcrypt would ignore the rest.
pub fn bcrypt(password: &[u8]) -> Result<String, BoxError> {
    let parts = ::bcrypt::non_truncating_hash_with_salt(password, BCRYPT_COST, random()?);
    let parts = parts.map_err(|_| "bcrypt takes passwords of at most 72 bytes: use argon2id")?;
    Ok(parts.format_for_version(Version::TwoY))
}

fn random() -> Result<[u8; 16], BoxError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "there is no randomness to be had")?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A hash that is cheap to check, for tests.
    pub(crate) fn cheap(password: &str) -> String {
        ::bcrypt::hash_with_salt(password, 4, *b"sixteen bytes!!!").unwrap().format_for_version(Version::TwoY)
    }

    #[test]
    fn hashes_of_other_programs_are_understood() {
        let rows = [
            // OpenBSD's test vectors for bcrypt, and the reference implementation's for argon2.
            ("$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkY8jIucDrjc8deX1s.", "", false, "cut off"),
            ("$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "abc", true, "crypt_blowfish"),
            (
                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                "password",
                true,
                "phc-winner-argon2",
            ),
        ];
        for (text, password, good, row) in rows {
            match text.parse::<Hash>() {
                Ok(hash) => {
                    assert!(good, "{row}");
                    assert!(hash.is_of(password.as_bytes()), "{row}");
                    assert!(!hash.is_of(b"another"), "{row}");
                }
                Err(error) => assert!(!good, "{row}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_too_easy_to_guess_is_refused_by_name() {
        let rows = [
            ("$apr1$x$y", "MD5"),
            ("{SHA}abc", "SHA-1"),
            ("$6$x$y", "SHA-512"),
            ("hunter2", "headwall hash-password"),
            ("$2y$05$short", "cut off"),
            ("$2y$20$abcdefghijklmnopqrstuu5s8hYXb8CrZQH0cYKFRIUx1RX0lAgGW", "at most 16"),
            (
                "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                "256 MiB",
            ),
            ("$argon2id$v=19$m=256", "cut off"),
        ];
        for (text, expected) in rows {
            let error = text.parse::<Hash>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hunter2"), "a password is not repeated");
        }
    }

    #[test]
    fn what_is_made_here_is_read_here() {
        for hash in [argon2id(b"correct horse").unwrap(), bcrypt(b"correct horse").unwrap()] {
            let read: Hash = hash.parse().unwrap();
            assert!(read.is_of(b"correct horse") && !read.is_of(b"battery staple"), "{hash}");
            assert!(!format!("{read:?}").contains(&hash[10..]));
        }
        assert_ne!(argon2id(b"a").unwrap(), argon2id(b"a").unwrap(), "salted");
        assert!(bcrypt(&[b'a'; 73]).is_err());
    }
}
