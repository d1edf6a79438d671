//! Keys of accounts and networks, and the little of them that a log may have.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::hmac;
use headwall_core::units::Secret;
use headwall_limit::{Key, KeyHasher};

/// Makes keys of names.
#[derive(Debug)]
pub(super) enum Names {
    /// With secrets that are drawn at the start and never leave the process.
    Own {
        keys: KeyHasher,
        /// Another secret than that of the keys, so that nothing in a log is a part of a key.
        log: RandomState,
    },
    /// With a secret that several Headwalls have, and Redis does not: names are easily guessed, so who can read what is kept
    /// there must not be able to try them.
    Common(Box<hmac::Key>),
}

/// What is digested with a common secret begins with its kind, so that no name passes for a pair.
mod kind {
    pub(super) const ACCOUNT: u8 = 0;
    pub(super) const PAIR: u8 = 1;
    pub(super) const LOG: u8 = 2;
}

// === impl Names ===

impl Names {
    pub(super) fn own() -> Self {
        Self::Own { keys: KeyHasher::new(), log: RandomState::new() }
    }

    /// Names that have the same keys wherever this secret is.
    pub(super) fn common(secret: &Secret) -> Self {
        Self::Common(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes())))
    }

    /// The key of an account. What names no account is one account of its own, the one with the empty name: whoever finds
    /// a way to leave the name out, and still be heard by the app, is counted together with everybody who does.
    pub(super) fn account(&self, name: &str) -> Key {
        match self {
            Self::Own { keys, .. } => keys.text(name),
            Self::Common(secret) => Key::digest(digest(secret, kind::ACCOUNT, name.as_bytes())),
        }
    }

    /// The key of an account and an address together.
    pub(super) fn pair(&self, account: Key, address: Key) -> Key {
        match self {
            Self::Own { keys, .. } => keys.combine(&[account, address]),
            Self::Common(secret) => {
                let both = [account.to_bits().to_be_bytes(), address.to_bits().to_be_bytes()].concat();
                Key::digest(digest(secret, kind::PAIR, &both))
            }
        }
    }

    /// Eight digits by which lines about the same account are known: until the process ends, or wherever the secret is.
    pub(super) fn in_log(&self, account: Key) -> String {
        let digits = match self {
            Self::Own { log, .. } => u128::from(log.hash_one(account) >> 32),
            Self::Common(secret) => digest(secret, kind::LOG, &account.to_bits().to_be_bytes()) >> 96,
        };
        format!("{digits:08x}")
    }
}

/// The first half of an HMAC.
fn digest(secret: &hmac::Key, kind: u8, bytes: &[u8]) -> u128 {
    let mut context = hmac::Context::with_key(secret);
    context.update(&[kind]);
    context.update(bytes);
    let tag = context.sign();
    tag.as_ref().iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

/// The network that an address stands for: its /24, in IPv6 its /64. The key, and how it is written.
pub(super) fn network_of(address: IpAddr) -> (Key, String) {
    let (base, length) = match address {
        IpAddr::V4(address) => (IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8))), 24),
        IpAddr::V6(address) => (IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))), 64),
    };
    (Key::address(base), format!("{base}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_what_one_attacker_easily_has() {
        let rows = [
            ("203.0.113.9", "203.0.113.0/24"),
            ("203.0.113.255", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ];
        for (address, expected) in rows {
            let (key, written) = network_of(address.parse().unwrap());
            assert_eq!(written, expected, "{address}");
            let base = expected.split('/').next().unwrap().parse().unwrap();
            assert_eq!(key, Key::address(base), "{address}");
        }
    }

    #[test]
    fn a_log_has_eight_digits_that_say_nothing() {
        let (names, others) = (Names::own(), Names::own());
        let digits = names.in_log(names.account("ada"));
        assert_eq!(digits.len(), 8);
        assert_eq!(digits, names.in_log(names.account("ada")));
        assert_ne!(digits, names.in_log(names.account("bob")));
        assert_ne!(digits, others.in_log(others.account("ada")), "another process has other digits");
    }

    #[test]
    fn a_common_secret_gives_the_same_keys_and_another_one_others() {
        let common = |secret: &str| Names::common(&secret.parse().unwrap());
        let (one, same, other) =
            (common("a secret of ours"), common("a secret of ours"), common("a secret of yours"));
        let address = Key::address("192.0.2.1".parse().unwrap());
        let keys = |names: &Names| {
            let account = names.account("ada");
            (account, names.pair(account, address), names.in_log(account))
        };
        assert_eq!(keys(&one), keys(&same));
        assert_ne!(keys(&one).0, keys(&other).0);
        assert_ne!(keys(&one).1, keys(&other).1);
        assert_ne!(keys(&one).2, keys(&other).2);
        assert_ne!(one.account("ada"), one.account("bob"));
        let (account, pair, digits) = keys(&one);
        for key in [account, pair] {
            assert!(
                !format!("{:032x}", key.to_bits()).contains(&digits),
                "nothing in a log is a part of a key"
            );
        }
        assert!(!format!("{one:?}").contains("ours"), "{one:?}");
    }
}
