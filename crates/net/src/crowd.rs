//! How many connections each address has.
//!
//! An address is what one subscriber has: an IPv4 address, or the /64 of an IPv6 address, since whoever has one address
//! of it has all of them.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;

/// Parts that are locked by themselves, so that workers seldom wait for each other.
const SHARDS: usize = 32;

/// Whose connections are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Address(IpAddr);

/// The addresses that have connections, and how many. An address without any takes no memory.
#[derive(Debug)]
pub(crate) struct Crowd {
    shards: [Mutex<HashMap<Address, usize>>; SHARDS],
    /// Seeded, so that nobody can choose addresses that share a shard.
    hasher: RandomState,
}

impl Address {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

impl Crowd {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }

    /// Counts one more, unless there are as many already.
    pub(crate) fn enter(&self, address: Address, most: usize) -> bool {
        let mut shard = self.shard(address).lock();
        match shard.entry(address) {
            Entry::Occupied(mut entry) => {
                let has_room = *entry.get() < most;
                *entry.get_mut() += usize::from(has_room);
                has_room
            }
            Entry::Vacant(entry) => {
                if most > 0 {
                    entry.insert(1);
                }
                most > 0
            }
        }
    }

    /// Counts one less.
    pub(crate) fn leave(&self, address: Address) {
        let mut shard = self.shard(address).lock();
        if let Entry::Occupied(mut entry) = shard.entry(address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    fn shard(&self, address: Address) -> &Mutex<HashMap<Address, usize>> {
        let hash = usize::try_from(self.hasher.hash_one(address) % SHARDS as u64).unwrap_or(0);
        &self.shards[hash]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_one_subscriber_has() {
        let of = |text: &str| Address::of(text.parse().unwrap());
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
    }

    #[test]
    fn who_has_left_is_forgotten() {
        let crowd = Crowd::new();
        let one = Address::of("192.0.2.1".parse().unwrap());
        assert!(crowd.enter(one, 2) && crowd.enter(one, 2));
        assert!(!crowd.enter(one, 2), "as many as it may have");
        crowd.leave(one);
        assert!(crowd.enter(one, 2));
        crowd.leave(one);
        crowd.leave(one);
        assert!(crowd.shards.iter().all(|shard| shard.lock().is_empty()));
        assert!(!crowd.enter(one, 0), "nobody may have any");
    }
}
