//! One part of a zone's table: accounts in the order of their last use, and never more than it has room for.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::account::{Account, Charge};
use crate::clock::Millis;
use crate::decision::Decision;
use crate::key::Key;
use crate::quota::Quota;

/// A bounded table of accounts, to be used under a lock.
#[derive(Debug)]
pub(crate) struct Shard {
    accounts: LruCache<Key, Account>,
    evictions: u64,
}

/// How many idle accounts a new key clears away. Two for one empties the table again after a flood.
const SWEEP: usize = 2;

/// How many of the longest unused accounts a full table is searched for a dead one.
const SEARCH: usize = 8;

impl Shard {
    pub(crate) fn new(entries: NonZeroUsize) -> Self {
        Self { accounts: LruCache::new(entries), evictions: 0 }
    }

    /// Decides on a request of `key`. Every visit counts as a use, a rejected one too: a client that keeps trying
    /// is not forgotten.
    pub(crate) fn check(&mut self, key: Key, quota: &Quota, now: Millis, charge: Charge) -> Decision {
        if let Some(account) = self.accounts.get_mut(&key) {
            return account.check(quota, now, charge);
        }
        if charge != Charge::Never {
            self.make_room(quota, now);
            self.accounts.push(key, Account::open(now));
        }
        Decision::pass(*quota, 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.accounts.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.accounts.cap().get()
    }

    /// How many accounts were given up for want of room.
    pub(crate) const fn evictions(&self) -> u64 {
        self.evictions
    }

    fn make_room(&mut self, quota: &Quota, now: Millis) {
        for _ in 0..SWEEP {
            match self.accounts.peek_lru() {
                Some((_, oldest)) if oldest.is_idle(quota, now) => self.accounts.pop_lru(),
                _ => break,
            };
        }
        if self.len() < self.capacity() {
            return;
        }
        let mut oldest = self.accounts.iter().rev().take(SEARCH);
        let dead = oldest.find(|(_, account)| account.is_dead(quota, now)).map(|(key, _)| *key);
        if let Some(dead) = dead {
            self.accounts.pop(&dead);
        } else {
            self.accounts.pop_lru();
            self.evictions += 1;
        }
    }
}
