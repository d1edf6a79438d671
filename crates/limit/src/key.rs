//! What a limit counts by: 128 bits that stand for a client's address, a text, or several of both.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One counted party. Small, `Copy`, and built without allocation.
///
/// Keys from addresses are exact; keys from texts are 120 bits of a keyed hash. A tag keeps the kinds apart, so no
/// text can be made to count as somebody's address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u128);

/// Makes keys from texts, with a secret seed, so that a client cannot craft two texts that count as one or spread a
/// flood to where it hurts.
///
/// The seed is drawn when the hasher is made. Clones agree with each other and nobody else, so a zone that outlives a
/// reload needs the hasher it has seen before: make one per process and hand it out.
#[derive(Clone, Debug, Default)]
pub struct KeyHasher {
    seed: RandomState,
}

/// The kinds of key, in the top byte.
mod tag {
    pub(super) const IPV4: u8 = 1;
    pub(super) const IPV6: u8 = 2;
    pub(super) const DIGEST: u8 = 3;
}

// === impl Key ===

impl Key {
    /// The client at `address`: an IPv4 address by itself, an IPv6 address by its /64, which is what one customer
    /// gets. An IPv4 address mapped into IPv6 (`::ffff:192.0.2.1`) counts as IPv4.
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::ipv4(address),
            IpAddr::V6(address) => Self::network(address),
        }
    }

    /// The key of something that the caller has digested by itself, into 120 bits; the top byte is ignored. Servers
    /// that share a store need keys that are the same for all of them, which a [`KeyHasher`]'s are not.
    pub const fn digest(bits: u128) -> Self {
        Self::tagged(tag::DIGEST, bits)
    }

    /// The key of these bits, kind included.
    pub(crate) const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits, kind included.
    pub const fn to_bits(self) -> u128 {
        self.0
    }

    fn ipv4(address: Ipv4Addr) -> Self {
        Self::tagged(tag::IPV4, address.to_bits().into())
    }

    fn network(address: Ipv6Addr) -> Self {
        Self::tagged(tag::IPV6, address.to_bits() >> 64)
    }

    const fn tagged(tag: u8, rest: u128) -> Self {
        Self(((tag as u128) << 120) | (rest & (u128::MAX >> 8)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:032x})", self.0)
    }
}

// === impl KeyHasher ===

impl KeyHasher {
    /// A hasher with a seed of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key of a text, such as a user name. An empty text is a key like any other; nginx exempts it, and a caller
    /// that wants the same does not check at all.
    pub fn text(&self, text: &str) -> Key {
        self.bytes(text.as_bytes())
    }

    /// The key of some bytes, such as a header's value. Equal to [`text`](Self::text) of the same bytes.
    pub fn bytes(&self, bytes: &[u8]) -> Key {
        self.digest(|hasher| {
            hasher.write_u8(0);
            hasher.write(bytes);
        })
    }

    /// The key of several keys together, such as a client and a user name. Their order counts.
    pub fn combine(&self, keys: &[Key]) -> Key {
        self.digest(|hasher| {
            hasher.write_u8(1);
            keys.iter().for_each(|key| hasher.write_u128(key.0));
        })
    }

    /// Two passes of the standard library's keyed hash, told apart by their first byte, give the bits that one lacks.
    fn digest(&self, feed: impl Fn(&mut dyn Hasher)) -> Key {
        let half = |pass: u8| {
            let mut hasher = self.seed.build_hasher();
            hasher.write_u8(pass);
            feed(&mut hasher);
            u128::from(hasher.finish())
        };
        Key::tagged(tag::DIGEST, (half(0) << 64) | half(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn address(text: &str) -> Key {
        Key::address(text.parse().unwrap())
    }

    #[test]
    fn addresses_count_by_what_one_client_has() {
        let rows = [
            ("192.0.2.1", "192.0.2.1", true, "one IPv4 address"),
            ("192.0.2.1", "192.0.2.2", false, "neighbours in IPv4"),
            ("192.0.2.1", "::ffff:192.0.2.1", true, "IPv4 mapped into IPv6"),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true, "one /64"),
            ("2001:db8::1", "2001:db8:0:1::1", false, "the next /64"),
            ("2001:db8:0:1::", "2001:db8:1::", false, "other bits of the prefix"),
            ("2001:db8::", "2101:db8::", false, "the top bits of the prefix"),
            ("0.0.0.1", "0:0:0:1::", false, "the same number in IPv4 and as a /64"),
            ("0.0.0.0", "::", false, "nobody in IPv4 and in IPv6"),
        ];
        for (one, other, same, why) in rows {
            assert_eq!(address(one) == address(other), same, "{why}: {one}, {other}");
        }
    }

    #[test]
    fn texts_never_count_as_addresses() {
        let hasher = KeyHasher::new();
        for n in 0..10_000_u32 {
            let text = hasher.bytes(&n.to_be_bytes());
            assert_eq!((text.0 >> 120) as u8, tag::DIGEST, "{text:?}");
            assert_ne!((Key::address(IpAddr::V4(n.into())).0 >> 120) as u8, tag::DIGEST);
        }
    }

    #[test]
    fn texts_differ_where_they_differ() {
        let hasher = KeyHasher::new();
        let keys: HashSet<_> = (0..10_000).map(|n| hasher.text(&n.to_string())).collect();
        assert_eq!(keys.len(), 10_000);
        assert_eq!(hasher.text("ada"), hasher.clone().bytes(b"ada"), "clones agree");
        assert_ne!(hasher.text("ada"), KeyHasher::new().text("ada"), "seeds differ");
        assert_ne!(hasher.text(""), hasher.combine(&[]), "nothing written, nothing combined");
    }

    #[test]
    fn both_halves_of_a_digest_vary() {
        let hasher = KeyHasher::new();
        let keys: Vec<_> = (0..100).map(|n| hasher.text(&n.to_string()).0).collect();
        assert_eq!(keys.iter().map(|key| *key as u64).collect::<HashSet<_>>().len(), 100, "low half");
        assert_eq!(keys.iter().map(|key| (key >> 64) as u64).collect::<HashSet<_>>().len(), 100, "high half");
        assert!(keys.iter().any(|key| (key >> 64) as u64 & (u64::MAX >> 8) != *key as u64 & (u64::MAX >> 8)));
    }

    #[test]
    fn combinations_differ_by_parts_and_order() {
        let hasher = KeyHasher::new();
        let [client, user] = [address("192.0.2.1"), hasher.text("ada")];
        let both = hasher.combine(&[client, user]);
        assert_eq!(both, hasher.combine(&[client, user]));
        for other in [
            client,
            user,
            hasher.combine(&[user, client]),
            hasher.combine(&[client]),
            hasher.combine(&[both, user]),
        ] {
            assert_ne!(both, other);
        }
    }
}
