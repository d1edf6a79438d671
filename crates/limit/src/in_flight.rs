//! How many requests of one key are being served at the same time, exactly.
//!
//! An estimate in constant memory would count some clients for others. The exact table needs no bound of its own: it
//! has an entry for each key that is being served right now, and never more of them than there are requests.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::key::Key;

/// Counts requests in flight by key, without a lock that all workers share.
#[derive(Default)]
pub struct InFlight {
    spread: RandomState,
    shards: [Lane; SHARDS],
}

/// A lock and what it guards, on cache lines of their own.
#[repr(align(128))]
#[derive(Default)]
struct Lane(Mutex<HashMap<Key, u32>>);

/// One request's place among those of its key, given back when it is dropped.
#[must_use]
pub struct Place {
    table: Arc<InFlight>,
    key: Key,
}

/// Twice the cores of a middling machine, so that two workers seldom meet. A power of two.
const SHARDS: usize = 32;

// === impl InFlight ===

impl InFlight {
    /// Nobody is being served.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a place for a request of `key`, unless `limit` of them are taken. No two requests take the same place.
    pub fn enter(self: &Arc<Self>, key: Key, limit: u32) -> Option<Place> {
        let mut shard = self.shard_of(key).lock();
        let taken = shard.entry(key).or_insert(0);
        if *taken >= limit {
            if *taken == 0 {
                shard.remove(&key);
            }
            return None;
        }
        *taken += 1;
        Some(Place { table: self.clone(), key })
    }

    /// How many requests of `key` are in flight.
    pub fn of(&self, key: Key) -> u32 {
        self.shard_of(key).lock().get(&key).copied().unwrap_or(0)
    }

    /// How many keys have requests in flight. Visits every shard; meant for metrics and tests.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|lane| lane.0.lock().len()).sum()
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard_of(&self, key: Key) -> &Mutex<HashMap<Key, u32>> {
        &self.shards[self.spread.hash_one(key) as usize % SHARDS].0
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").finish_non_exhaustive()
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut taken) = self.table.shard_of(self.key).lock().entry(self.key) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    fn key(n: u32) -> Key {
        Key::address(std::net::IpAddr::V4(n.into()))
    }

    #[test]
    fn a_key_has_so_many_places_and_each_comes_back() {
        let table = Arc::new(InFlight::new());
        let first = table.enter(key(1), 2);
        let second = table.enter(key(1), 2);
        assert!(first.is_some() && second.is_some());
        assert!(table.enter(key(1), 2).is_none(), "both are taken");
        assert!(table.enter(key(2), 2).is_some(), "another key has its own");
        drop(first);
        assert_eq!(table.of(key(1)), 1);
        assert!(table.enter(key(1), 2).is_some(), "one came back");
        drop(second);
        assert!(table.is_empty(), "a key that nobody uses is forgotten");
        assert!(table.enter(key(1), 0).is_none(), "no places at all");
        assert!(table.is_empty(), "a refused key is not remembered");
    }

    #[test]
    fn many_threads_never_have_more_places_than_there_are() {
        let table = Arc::new(InFlight::new());
        let inside = AtomicU32::new(0);
        let most = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let Some(place) = table.enter(key(1), 3) else { continue };
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(place);
                    }
                });
            }
        });
        let most = most.load(Ordering::SeqCst);
        assert!((1..=3).contains(&most), "{most} were in at once");
        assert!(table.is_empty());
    }
}
