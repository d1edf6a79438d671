//! One part of a zone's table: accounts in the order of their last use, and never more than it has room for.

use std::hash::RandomState;
use std::num::NonZeroUsize;

use crate::account::{Account, Charge};
use crate::clock::Millis;
use crate::decision::Decision;
use crate::key::Key;
use crate::ledger::Ledger;
use crate::quota::Quota;

/// A bounded table of accounts, to be used under a lock.
#[derive(Debug)]
pub(crate) struct Shard {
    accounts: Ledger,
    evictions: u64,
}

/// How many idle accounts a new key clears away. Two for one empties the table again after a flood.
const SWEEP: usize = 2;

/// How many of the longest unused accounts a full table is searched for a dead one.
const SEARCH: usize = 8;

impl Shard {
    pub(crate) fn new(entries: NonZeroUsize, spread: RandomState) -> Self {
        Self { accounts: Ledger::new(entries, spread), evictions: 0 }
    }

    /// Decides on a request of `key`. Every visit counts as a use, a rejected one too: a client that keeps trying
    /// is not forgotten. `hash` is that of the key.
    pub(crate) fn check(
        &mut self,
        (key, hash): (Key, u64),
        quota: &Quota,
        now: Millis,
        charge: Charge,
    ) -> Decision {
        if let Some(account) = self.accounts.touch(key, hash) {
            return account.check(quota, now, charge);
        }
        if charge != Charge::Never {
            self.make_room(quota, now);
            self.accounts.add(key, hash, Account::open(now));
        }
        Decision::pass(*quota, 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.accounts.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.accounts.capacity()
    }

    /// How many accounts were given up for want of room.
    pub(crate) const fn evictions(&self) -> u64 {
        self.evictions
    }

    fn make_room(&mut self, quota: &Quota, now: Millis) {
        for _ in 0..SWEEP {
            let oldest = self.accounts.oldest().next().filter(|(_, account)| account.is_idle(quota, now));
            let Some(slot) = oldest.map(|(slot, _)| slot) else { break };
            self.accounts.remove(slot);
        }
        if self.len() < self.capacity() {
            return;
        }
        let dead = self.accounts.oldest().take(SEARCH).find(|(_, account)| account.is_dead(quota, now));
        let dead = dead.map(|(slot, _)| slot);
        let leaving = dead.or_else(|| self.accounts.oldest().next().map(|(slot, _)| slot));
        if let Some(slot) = leaving {
            self.accounts.remove(slot);
            self.evictions += u64::from(dead.is_none());
        }
    }
}
