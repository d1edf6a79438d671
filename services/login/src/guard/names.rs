//! Keys of accounts and networks, and the little of them that a log may have.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headwall_limit::{Key, KeyHasher};

/// Makes keys of names, with secrets that are drawn at the start and never leave the process.
#[derive(Debug, Default)]
pub(super) struct Names {
    keys: KeyHasher,
    /// Another secret than that of the keys, so that nothing in a log is a part of a key.
    log: RandomState,
}

// === impl Names ===

impl Names {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The key of an account. What names no account is one account of its own, the one with the empty name: whoever finds
    /// a way to leave the name out, and still be heard by the app, is counted together with everybody who does.
    pub(super) fn account(&self, name: &str) -> Key {
        self.keys.text(name)
    }

    /// The key of an account and an address together.
    pub(super) fn pair(&self, account: Key, address: Key) -> Key {
        self.keys.combine(&[account, address])
    }

    /// Eight digits by which lines about the same account are known, until the process ends.
    pub(super) fn in_log(&self, account: Key) -> String {
        format!("{:08x}", self.log.hash_one(account) >> 32)
    }
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
        let (names, others) = (Names::new(), Names::new());
        let digits = names.in_log(names.account("ada"));
        assert_eq!(digits.len(), 8);
        assert_eq!(digits, names.in_log(names.account("ada")));
        assert_ne!(digits, names.in_log(names.account("bob")));
        assert_ne!(digits, others.in_log(others.account("ada")), "another process has other digits");
    }
}
