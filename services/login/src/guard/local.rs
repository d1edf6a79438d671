//! The tables of this process.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use headwall_limit::{Clock, Key, Millis, SystemClock};
use prometheus::IntCounter;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::record::{Record, Refusal, Settlement, later};
use super::store::{Kind, Rules};
use super::table::Table;

/// Records by key, and who is known.
pub(super) struct Local {
    clock: Box<dyn Clock>,
    addresses: Table<Record>,
    accounts: Table<Record>,
    networks: Table<Record>,
    /// Until when a pair is known.
    known: Table<Millis>,
    waiting: Box<[Notify]>,
    spread: RandomState,
}

/// How many groups the waiting are woken in. Keys that share one wake each other in vain, now and then.
const GROUPS: usize = 64;

// === impl Local ===

impl Local {
    /// Empty tables for so many keys each. What is given up for want of room is counted.
    pub(super) fn new(entries: usize, evicted: &IntCounter) -> Self {
        Self::with_clock(entries, evicted, SystemClock::new())
    }

    pub(super) fn with_clock(entries: usize, evicted: &IntCounter, clock: impl Clock + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            addresses: Table::new(entries, evicted.clone()),
            accounts: Table::new(entries, evicted.clone()),
            networks: Table::new(entries, evicted.clone()),
            known: Table::new(entries, evicted.clone()),
            waiting: (0..GROUPS).map(|_| Notify::new()).collect(),
            spread: RandomState::new(),
        }
    }

    /// Asks for an attempt. One that is admitted is settled later.
    pub(super) fn admit(&self, rules: &Rules, kind: Kind, key: Key) -> Result<(), Refusal> {
        let rule = rules.of(kind);
        self.change(rules, kind, key, |record, now| record.admit(rule, now))
    }

    /// Tells how an attempt has ended. The answer is the length of a lockout that begins with it.
    pub(super) fn settle(
        &self,
        rules: &Rules,
        kind: Kind,
        key: Key,
        settlement: Settlement,
    ) -> Option<Duration> {
        let rule = rules.of(kind);
        let lockout = self.change(rules, kind, key, |record, now| record.settle(rule, now, settlement));
        if kind == Kind::Address {
            self.wake(key);
        }
        lockout
    }

    /// The same for an attempt that was admitted elsewhere.
    pub(super) fn note(
        &self,
        rules: &Rules,
        kind: Kind,
        key: Key,
        settlement: Settlement,
    ) -> Option<Duration> {
        let rule = rules.of(kind);
        self.change(rules, kind, key, |record, now| record.note(rule, now, settlement))
    }

    /// What to wait for: that somebody is [woken](Self::wake) for this key.
    pub(super) fn settled(&self, key: Key) -> Notified<'_> {
        self.group(key).notified()
    }

    /// An attempt at this key was settled.
    pub(super) fn wake(&self, key: Key) {
        self.group(key).notify_waiters();
    }

    /// Whether a pair of address and account has been let in lately.
    pub(super) fn knows(&self, pair: Key) -> bool {
        let now = self.clock.now();
        self.known.look(pair, |until| now < *until).unwrap_or(false)
    }

    /// A pair of address and account was let in.
    pub(super) fn let_in(&self, rules: &Rules, pair: Key) {
        let now = self.clock.now();
        let until = later(now, rules.known_for);
        self.known.change(pair, now, |known| *known = until, |until| *until);
    }

    fn change<R>(
        &self,
        rules: &Rules,
        kind: Kind,
        key: Key,
        change: impl FnOnce(&mut Record, Millis) -> R,
    ) -> R {
        let (rule, now) = (rules.of(kind), self.clock.now());
        let until = |record: &Record| record.matters_until(rule, now);
        self.table(kind).change(key, now, |record| change(record, now), until)
    }

    const fn table(&self, kind: Kind) -> &Table<Record> {
        match kind {
            Kind::Address => &self.addresses,
            Kind::Account => &self.accounts,
            Kind::Network => &self.networks,
        }
    }

    fn group(&self, key: Key) -> &Notify {
        &self.waiting[self.spread.hash_one(key) as usize % self.waiting.len()]
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
