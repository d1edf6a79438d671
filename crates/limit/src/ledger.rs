//! Accounts by key and in the order of their last use, in as few bytes as it takes.
//!
//! A million clients are a million entries, so they lie side by side in one vector of 40 bytes each, find their
//! neighbours in time by number instead of by pointer, and are found by a hash index of five bytes a slot. A map of
//! boxed list nodes takes twice that, and a cache miss more.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;

use hashbrown::HashTable;

use crate::account::Account;
use crate::key::Key;

/// A bounded table of accounts that knows which was used longest ago.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    index: HashTable<u32>,
    spread: RandomState,
    capacity: usize,
    /// The ends of the list in the order of use.
    newest: u32,
    oldest: u32,
    /// The first of the entries that are free, each of which names the next as its `older`.
    free: u32,
}

/// An account with its neighbours in time.
#[derive(Debug)]
struct Entry {
    /// The halves of a key: a whole one would be aligned to 16 bytes, and the entry padded.
    key: [u64; 2],
    account: Account,
    newer: u32,
    older: u32,
}

/// No entry.
const NONE: u32 = u32::MAX;

/// The fewest entries that memory is taken for at a time.
const GROWTH: usize = 16;

// === impl Ledger ===

impl Ledger {
    /// An empty table. Keys are hashed by `spread`.
    pub(crate) fn new(capacity: NonZeroUsize, spread: RandomState) -> Self {
        Self {
            entries: Vec::new(),
            index: HashTable::new(),
            spread,
            // Numbers of entries are 32 bits, and one is none.
            capacity: capacity.get().min(NONE as usize),
            newest: NONE,
            oldest: NONE,
            free: NONE,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The account of a key, which counts as used now. `hash` is that of the key, here and in [`add`](Self::add).
    pub(crate) fn touch(&mut self, key: Key, hash: u64) -> Option<&mut Account> {
        let halves = halves(key);
        let found = self.index.find(hash, |slot| self.entries[*slot as usize].key == halves);
        let slot = *found?;
        if slot != self.newest {
            self.unlink(slot);
            self.link(slot);
        }
        Some(&mut self.entries[slot as usize].account)
    }

    /// Adds a key that is not there. There has to be room.
    pub(crate) fn add(&mut self, key: Key, hash: u64, account: Account) {
        let entry = Entry { key: halves(key), account, newer: NONE, older: NONE };
        let slot = self.slot_for(entry);
        let Self { entries, index, spread, .. } = self;
        let rehash = |slot: &u32| spread.hash_one(entries[*slot as usize].whole_key());
        index.insert_unique(hash, slot, rehash);
        self.link(slot);
    }

    /// The accounts, the longest unused first, each with the number that [`remove`](Self::remove) takes.
    pub(crate) fn oldest(&self) -> impl Iterator<Item = (u32, &Account)> {
        let entry = |slot: u32| self.entries.get(slot as usize).map(|entry| (slot, entry));
        let next = move |(_, previous): &(u32, &Entry)| entry(previous.newer);
        std::iter::successors(entry(self.oldest), next).map(|(slot, entry)| (slot, &entry.account))
    }

    /// Forgets an account.
    pub(crate) fn remove(&mut self, slot: u32) {
        let hash = self.spread.hash_one(self.entries[slot as usize].whole_key());
        if let Ok(found) = self.index.find_entry(hash, |other| *other == slot) {
            found.remove();
            self.unlink(slot);
            self.entries[slot as usize].older = self.free;
            self.free = slot;
        }
    }

    /// Puts an entry where there is room for it.
    fn slot_for(&mut self, entry: Entry) -> u32 {
        if let Some(free) = self.entries.get_mut(self.free as usize) {
            let slot = std::mem::replace(&mut self.free, free.older);
            *free = entry;
            return slot;
        }
        if self.entries.len() == self.entries.capacity() {
            // By half, and never beyond what there will be.
            let growth = (self.entries.len() / 2).max(GROWTH).min(self.capacity - self.entries.len());
            self.entries.reserve_exact(growth);
        }
        self.entries.push(entry);
        (self.entries.len() - 1) as u32
    }

    /// Makes an entry the newest.
    fn link(&mut self, slot: u32) {
        let before = std::mem::replace(&mut self.newest, slot);
        match self.entries.get_mut(before as usize) {
            Some(entry) => entry.newer = slot,
            None => self.oldest = slot,
        }
        let entry = &mut self.entries[slot as usize];
        (entry.older, entry.newer) = (before, NONE);
    }

    /// Takes an entry out of the order.
    fn unlink(&mut self, slot: u32) {
        let Entry { newer, older, .. } = self.entries[slot as usize];
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }
}

// === impl Entry ===

impl Entry {
    const fn whole_key(&self) -> Key {
        Key::from_bits((self.key[0] as u128) << 64 | self.key[1] as u128)
    }
}

const fn halves(key: Key) -> [u64; 2] {
    [(key.to_bits() >> 64) as u64, key.to_bits() as u64]
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::Millis;

    fn key(n: u32) -> Key {
        Key::address(std::net::IpAddr::V4(n.into()))
    }

    #[test]
    fn an_entry_is_forty_bytes() {
        assert_eq!(size_of::<Entry>(), 40);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Use(u32),
        Forget(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step =
            prop_oneof![4 => (0..20_u32).prop_map(Step::Use), 1 => (0..8_usize).prop_map(Step::Forget)];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        /// Against the plainest model: a queue of keys, the longest unused in front.
        #[test]
        fn it_is_a_map_that_remembers_the_order_of_use(steps in steps(), capacity in 1..12_usize) {
            let spread = RandomState::new();
            let mut ledger = Ledger::new(NonZeroUsize::new(capacity).unwrap(), spread.clone());
            let mut model = VecDeque::new();
            for step in steps {
                match step {
                    Step::Use(n) => {
                        let known = model.iter().position(|other| *other == n);
                        prop_assert_eq!(ledger.touch(key(n), spread.hash_one(key(n))).is_some(), known.is_some());
                        if let Some(place) = known {
                            model.remove(place);
                        } else {
                            if model.len() == capacity {
                                model.pop_front();
                                let (slot, _) = ledger.oldest().next().unwrap();
                                ledger.remove(slot);
                            }
                            ledger.add(key(n), spread.hash_one(key(n)), Account::open(Millis::new(n.into())));
                        }
                        model.push_back(n);
                    }
                    Step::Forget(place) => {
                        if model.remove(place).is_some() {
                            let (slot, _) = ledger.oldest().nth(place).unwrap();
                            ledger.remove(slot);
                        }
                    }
                }
                let order: Vec<_> = ledger.oldest().map(|(slot, _)| ledger.entries[slot as usize].whole_key()).collect();
                prop_assert_eq!(&order, &model.iter().map(|n| key(*n)).collect::<Vec<_>>());
                prop_assert_eq!(ledger.len(), model.len());
                prop_assert!(ledger.entries.capacity() <= capacity.max(GROWTH));
            }
        }
    }
}
