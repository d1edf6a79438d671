//! Passwords that were right a moment ago.
//!
//! Kept as digests, in several tables with a lock each, so that threads seldom meet at one.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use crate::digest::Digest;

const SHARDS: usize = 16;

/// Digests of what was right, each until it expires or the table is full.
pub(super) struct Remembered {
    shards: [Mutex<LruCache<Digest, Instant>>; SHARDS],
    lifetime: Duration,
}

impl Remembered {
    /// So many for so long. A lifetime of zero remembers nothing.
    pub(super) fn new(capacity: usize, lifetime: Duration) -> Self {
        let each = NonZeroUsize::new(capacity / SHARDS).unwrap_or(NonZeroUsize::MIN);
        Self { shards: std::array::from_fn(|_| Mutex::new(LruCache::new(each))), lifetime }
    }

    pub(super) fn has(&self, digest: &Digest, now: Instant) -> bool {
        let mut shard = self.shard(digest).lock();
        match shard.get(digest) {
            Some(until) if now < *until => true,
            Some(_) => {
                shard.pop(digest);
                false
            }
            None => false,
        }
    }

    pub(super) fn add(&self, digest: Digest, now: Instant) {
        if !self.lifetime.is_zero() {
            self.shard(&digest).lock().put(digest, now + self.lifetime);
        }
    }

    fn shard(&self, digest: &Digest) -> &Mutex<LruCache<Digest, Instant>> {
        &self.shards[usize::from(digest[0]) % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_right_is_forgotten_in_time() {
        let remembered = Remembered::new(64, Duration::from_secs(60));
        let now = Instant::now();
        assert!(!remembered.has(&[7; 32], now));
        remembered.add([7; 32], now);
        assert!(remembered.has(&[7; 32], now + Duration::from_secs(59)));
        assert!(!remembered.has(&[7; 32], now + Duration::from_secs(60)));
        assert!(!remembered.has(&[7; 32], now), "it is gone for good");
    }

    #[test]
    fn the_table_is_bounded() {
        let remembered = Remembered::new(SHARDS, Duration::from_secs(60));
        let now = Instant::now();
        remembered.add([1; 32], now);
        let mut neighbour = [2; 32];
        neighbour[0] = 1;
        remembered.add(neighbour, now);
        assert!(remembered.has(&neighbour, now) && !remembered.has(&[1; 32], now), "one place in each shard");
    }

    #[test]
    fn no_lifetime_no_memory() {
        let remembered = Remembered::new(64, Duration::ZERO);
        let now = Instant::now();
        remembered.add([7; 32], now);
        assert!(!remembered.has(&[7; 32], now));
    }
}
