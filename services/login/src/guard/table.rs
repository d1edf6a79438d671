//! A table that does not grow: entries by key, and in the order in which they cease to matter.
//!
//! What is forgotten first is what is over already, and after that what would be over soonest. A failure an hour ago
//! goes before one of this minute, and both before a lockout that has a day to run: a flood of new keys pushes out the
//! flood, and not those who are locked out.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use headwall_limit::{Key, Millis};
use parking_lot::Mutex;
use prometheus::IntCounter;

/// Entries by key, in shards with a lock each.
pub(super) struct Table<T> {
    shards: Box<[Lane<T>]>,
    spread: RandomState,
    evicted: IntCounter,
}

/// A lock and what it guards, on cache lines of their own.
#[repr(align(128))]
struct Lane<T>(Mutex<Shard<T>>);

struct Shard<T> {
    entries: HashMap<Key, Entry<T>>,
    order: BTreeMap<Turn, Key>,
    turns: u64,
    room: usize,
}

struct Entry<T> {
    value: T,
    turn: Turn,
}

/// When an entry has its turn to be forgotten, and a number, because many may have it at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    until: Millis,
    number: u64,
}

/// The most shards; twice the cores of a large machine, so that two workers seldom meet.
const MOST_SHARDS: usize = 64;

/// The fewest entries worth a shard of their own.
const ENTRIES_PER_SHARD: usize = 128;

/// How many entries that are over a new one clears away. Two for one empties the table again after a flood.
const SWEEP: usize = 2;

// === impl Table ===

impl<T: Default> Table<T> {
    /// An empty table for so many keys. Entries that are given up before they are over are counted in `evicted`.
    pub(super) fn new(entries: usize, evicted: IntCounter) -> Self {
        let shards = 1 << (entries / ENTRIES_PER_SHARD).clamp(1, MOST_SHARDS).ilog2();
        let room = (entries / shards).max(1);
        let shards = (0..shards).map(|_| Lane(Mutex::new(Shard::new(room)))).collect();
        Self { shards, spread: RandomState::new(), evicted }
    }

    /// Shows what stands under a key, if anything does.
    pub(super) fn look<R>(&self, key: Key, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.shard_of(key).lock().entries.get(&key).map(|entry| look(&entry.value))
    }

    /// Changes what stands under a key, a blank value if there was none. `until` says how long the outcome matters; what
    /// does not matter any more is not kept.
    pub(super) fn change<R>(
        &self,
        key: Key,
        now: Millis,
        change: impl FnOnce(&mut T) -> R,
        until: impl FnOnce(&T) -> Millis,
    ) -> R {
        let mut shard = self.shard_of(key).lock();
        let mut value = shard.take(key).unwrap_or_default();
        let outcome = change(&mut value);
        let until = until(&value);
        if until > now {
            self.evicted.inc_by(shard.make_room(now));
            shard.put(key, value, until);
        }
        outcome
    }

    fn shard_of(&self, key: Key) -> &Mutex<Shard<T>> {
        // The number of shards is a power of two: masking the hash keeps the index within them.
        let index = self.spread.hash_one(key) as usize & (self.shards.len() - 1);
        &self.shards[index].0
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|lane| lane.0.lock().entries.len()).sum()
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

// === impl Shard ===

impl<T> Shard<T> {
    fn new(room: usize) -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), turns: 0, room }
    }

    fn take(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.remove(&key)?;
        self.order.remove(&entry.turn);
        Some(entry.value)
    }

    fn put(&mut self, key: Key, value: T, until: Millis) {
        self.turns += 1;
        let turn = Turn { until, number: self.turns };
        self.order.insert(turn, key);
        self.entries.insert(key, Entry { value, turn });
    }

    /// Clears away a few entries that are over, and one that is not if that leaves no room. Says how many were not.
    fn make_room(&mut self, now: Millis) -> u64 {
        for _ in 0..SWEEP {
            match self.order.first_key_value() {
                Some((turn, _)) if turn.until <= now => self.forget_first(),
                Some(_) | None => break,
            }
        }
        if self.entries.len() < self.room {
            return 0;
        }
        self.forget_first();
        1
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: usize) -> Table<u32> {
        Table::new(entries, IntCounter::new("evicted", "Entries.").unwrap())
    }

    fn key(n: u32) -> Key {
        Key::address(std::net::IpAddr::V4(n.into()))
    }

    fn put(table: &Table<u32>, n: u32, now: u64, until: u64) {
        table.change(key(n), Millis::new(now), |value| *value = n, |_| Millis::new(until));
    }

    fn kept(table: &Table<u32>, among: std::ops::Range<u32>) -> Vec<u32> {
        among.filter(|n| table.look(key(*n), |_| ()).is_some()).collect()
    }

    #[test]
    fn what_is_over_goes_first_and_then_what_is_over_soonest() {
        let table = table(4);
        for (n, until) in [(0, 900), (1, 100), (2, 500), (3, 300)] {
            put(&table, n, 0, until);
        }
        put(&table, 4, 200, 800);
        assert_eq!(kept(&table, 0..9), [0, 2, 3, 4], "1 was over");
        assert_eq!(table.evicted.get(), 0, "and is not missed");
        put(&table, 5, 200, 700);
        assert_eq!(kept(&table, 0..9), [0, 2, 4, 5], "3 would have been over next");
        assert_eq!(table.evicted.get(), 1);
        put(&table, 2, 200, 999);
        put(&table, 6, 200, 600);
        assert_eq!(kept(&table, 0..9), [0, 2, 4, 6], "2 has become important");
    }

    #[test]
    fn a_change_finds_what_the_last_one_left_and_costs_nobody_a_place() {
        let table = table(2);
        put(&table, 0, 0, 100);
        put(&table, 1, 0, 100);
        for _ in 0..10 {
            table.change(key(1), Millis::new(0), |value| *value += 1, |_| Millis::new(100));
        }
        assert_eq!(table.look(key(1), |value| *value), Some(11));
        assert_eq!((kept(&table, 0..9), table.evicted.get()), (vec![0, 1], 0));
    }

    #[test]
    fn what_does_not_matter_is_not_kept() {
        let table = table(4);
        put(&table, 0, 50, 50);
        assert_eq!(table.len(), 0);
        put(&table, 0, 50, 60);
        put(&table, 0, 55, 55);
        assert_eq!(table.len(), 0, "not even if it did before");
        assert!(table.shards.iter().all(|lane| lane.0.lock().order.is_empty()), "nor its turn");
    }

    #[test]
    fn a_flood_takes_no_more_room_than_there_is_and_drains_away() {
        let table = table(1_000);
        put(&table, 0, 0, 1_000_000);
        for n in 1..50_000 {
            put(&table, n, 0, 1_000 + u64::from(n));
        }
        assert!(table.len() <= 1_000, "{}", table.len());
        assert!(table.evicted.get() >= 49_000);
        assert_eq!(kept(&table, 0..1), [0], "a long lockout outlives the flood");
        for n in 50_000..52_000 {
            put(&table, n, 100_000, 100_001);
        }
        let late = table.len();
        for n in 60_000..60_100 {
            put(&table, n, 200_000, 200_001);
        }
        assert!(late <= 1_000 && table.len() < late, "{late} {}", table.len());
    }
}
