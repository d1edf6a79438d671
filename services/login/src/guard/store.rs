//! Where attempts are counted.
//!
//! [`Store`] is all that the filter needs to know: each call is about one key, so that a store may be a table, or a
//! server that is asked for one key at a time. [`Local`] is the table in this process.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use headwall_limit::{Clock, Key, Millis, SystemClock};
use prometheus::IntCounter;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::record::{Admission, Record, Rule, Settlement, later};
use super::table::Table;

/// What a lockout is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// One client guesses.
    Address,
    /// Many clients guess at one account.
    Account,
    /// One network tries many accounts.
    Network,
}

/// The rules of a guard. Not a part of the store, so that a reload may change them and keep what was counted.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) address: Rule,
    pub(super) account: Rule,
    pub(super) network: Rule,
    /// How long after a success an address is known to belong to an account.
    pub(super) known_for: Duration,
}

/// Counts attempts, and remembers who has been let in.
pub(super) trait Store: Send + Sync + 'static {
    /// Asks for an attempt. One that is admitted is settled later.
    fn admit(&self, rules: &Rules, kind: Kind, key: Key) -> Admission;

    /// Tells how an attempt has ended. The answer is the length of a lockout that begins with it.
    fn settle(&self, rules: &Rules, kind: Kind, key: Key, settlement: Settlement) -> Option<Duration>;

    /// What to wait for when [`admit`](Self::admit) says that a key is busy: some attempt was settled. Ask for it before
    /// `admit`, so that nothing is missed in between.
    fn settled(&self, key: Key) -> Notified<'_>;

    /// Whether a pair of address and account has been let in lately.
    fn knows(&self, pair: Key) -> bool;

    /// A pair of address and account was let in.
    fn let_in(&self, rules: &Rules, pair: Key);
}

/// Tables in this process.
pub(super) struct Local<C = SystemClock> {
    clock: C,
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

// === impl Kind ===

impl Kind {
    /// The word for log and metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
            Self::Network => "network",
        }
    }
}

// === impl Rules ===

impl Rules {
    const fn of(&self, kind: Kind) -> &Rule {
        match kind {
            Kind::Address => &self.address,
            Kind::Account => &self.account,
            Kind::Network => &self.network,
        }
    }
}

// === impl Local ===

impl Local {
    /// Empty tables for so many keys each. What is given up for want of room is counted.
    pub(super) fn new(entries: usize, evicted: &IntCounter) -> Self {
        Self::with_clock(entries, evicted, SystemClock::new())
    }
}

impl<C: Clock> Local<C> {
    pub(super) fn with_clock(entries: usize, evicted: &IntCounter, clock: C) -> Self {
        Self {
            clock,
            addresses: Table::new(entries, evicted.clone()),
            accounts: Table::new(entries, evicted.clone()),
            networks: Table::new(entries, evicted.clone()),
            known: Table::new(entries, evicted.clone()),
            waiting: (0..GROUPS).map(|_| Notify::new()).collect(),
            spread: RandomState::new(),
        }
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

impl<C: Clock + 'static> Store for Local<C> {
    fn admit(&self, rules: &Rules, kind: Kind, key: Key) -> Admission {
        let (rule, now) = (rules.of(kind), self.clock.now());
        let until = |record: &Record| record.matters_until(rule, now);
        self.table(kind).change(key, now, |record| record.admit(rule, now), until)
    }

    fn settle(&self, rules: &Rules, kind: Kind, key: Key, settlement: Settlement) -> Option<Duration> {
        let (rule, now) = (rules.of(kind), self.clock.now());
        let until = |record: &Record| record.matters_until(rule, now);
        let lockout = self.table(kind).change(key, now, |record| record.settle(rule, now, settlement), until);
        if kind == Kind::Address {
            self.group(key).notify_waiters();
        }
        lockout
    }

    fn settled(&self, key: Key) -> Notified<'_> {
        self.group(key).notified()
    }

    fn knows(&self, pair: Key) -> bool {
        let now = self.clock.now();
        self.known.look(pair, |until| now < *until).unwrap_or(false)
    }

    fn let_in(&self, rules: &Rules, pair: Key) {
        let now = self.clock.now();
        let until = later(now, rules.known_for);
        self.known.change(pair, now, |known| *known = until, |until| *until);
    }
}

impl<C> fmt::Debug for Local<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
