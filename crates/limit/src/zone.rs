//! A named limit's table, shared by all workers without a lock that all of them share.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;

use parking_lot::Mutex;

use crate::account::Charge;
use crate::clock::{Clock, SystemClock};
use crate::decision::Decision;
use crate::key::Key;
use crate::quota::Quota;
use crate::shard::Shard;

/// One quota, and an account of every key that has lately used it.
///
/// The table has a fixed number of entries, about 55 bytes each, and grows to it as keys come. It is split into up to 64
/// shards by a seeded hash of the key. In each, every new key clears away one or two of the longest unused accounts if
/// they are idle: quiet for a minute, and drained so far that forgetting them cannot change an answer. If a shard is
/// still full, a drained one among its eight longest unused gives way first; only when there is none, the least
/// recently used account is given up, whatever it stands at, and [counted](Self::evictions). So a flood of keys costs no
/// memory, and a key in use, though it be rejected each time, is forgotten only when a shard's worth of new keys arrives
/// between two of its requests.
pub struct Zone<C = SystemClock> {
    quota: Quota,
    clock: C,
    spread: RandomState,
    shards: Box<[Lane]>,
}

/// A lock and what it guards, on cache lines of their own, so that neighbours do not slow each other down.
#[repr(align(128))]
struct Lane(Mutex<Shard>);

/// The most shards; twice the cores of a large machine, so that two workers seldom meet.
const MOST_SHARDS: usize = 64;

/// The fewest entries worth a shard of their own. Smaller ones would fill too unevenly.
const ENTRIES_PER_SHARD: usize = 128;

// === impl Zone ===

impl Zone<SystemClock> {
    /// An empty table for at most `entries` keys, on the system's monotonic clock.
    pub fn new(quota: Quota, entries: NonZeroUsize) -> Self {
        Self::with_clock(quota, entries, SystemClock::new())
    }
}

impl<C: Clock> Zone<C> {
    /// An empty table for at most `entries` keys, on a given clock.
    pub fn with_clock(quota: Quota, entries: NonZeroUsize, clock: C) -> Self {
        let shards = power_of_two_within(entries.get() / ENTRIES_PER_SHARD);
        let each = NonZeroUsize::new(entries.get() / shards).unwrap_or(NonZeroUsize::MIN);
        let spread = RandomState::new();
        Self {
            quota,
            clock,
            shards: (0..shards).map(|_| Lane(Mutex::new(Shard::new(each, spread.clone())))).collect(),
            spread,
        }
    }

    /// Decides on one request of `key`, and charges it unless it is rejected.
    pub fn check(&self, key: Key) -> Decision {
        self.visit(key, &self.quota, Charge::IfAllowed)
    }

    /// One look at one key, under a quota that may have another burst and another delay than the zone's own, and
    /// charges as told. Several limits that share a zone must have the zone's rate: excess is counted in it.
    ///
    /// The lock is released before this returns, so no two are ever held together.
    pub fn visit(&self, key: Key, quota: &Quota, charge: Charge) -> Decision {
        let now = self.clock.now();
        let hash = self.spread.hash_one(key);
        self.shard_of(hash).lock().check((key, hash), quota, now, charge)
    }

    fn shard_of(&self, hash: u64) -> &Mutex<Shard> {
        // The number of shards is a power of two: masking the hash keeps the index within them. A shard looks its keys
        // up by the lowest and the highest bits, so these are from the middle.
        let index = (hash >> 32) as usize & (self.shards.len() - 1);
        &self.shards[index].0
    }
}

impl<C> Zone<C> {
    /// What each key is allowed.
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// How many keys are remembered now. Visits every shard; meant for metrics.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|lane| lane.0.lock().len()).sum()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys can be remembered: what was asked for, rounded down to fill all shards alike.
    pub fn capacity(&self) -> usize {
        self.shards.iter().map(|lane| lane.0.lock().capacity()).sum()
    }

    /// How many accounts have been given up for want of room, since the start. When it grows, the table is too small
    /// for the number of clients, and the limit lets some through. Visits every shard; meant for metrics.
    pub fn evictions(&self) -> u64 {
        self.shards.iter().map(|lane| lane.0.lock().evictions()).sum()
    }
}

impl<C> fmt::Debug for Zone<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone")
            .field("quota", &self.quota)
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

/// The largest power of two up to `wanted` and [`MOST_SHARDS`], and at least one.
fn power_of_two_within(wanted: usize) -> usize {
    1 << wanted.clamp(1, MOST_SHARDS).ilog2()
}

#[cfg(test)]
mod tests;
