//! Where attempts are counted: in tables of this process, or in a Redis that several Headwalls share.
//!
//! Each question is about one key, so that a server that is asked for one key at a time can answer it.

use std::sync::Arc;
use std::time::Duration;

use headwall_limit::Key;
use tokio::sync::futures::Notified;

use super::local::Local;
use super::record::{Refusal, Rule, Settlement};
use super::shared::{Shared, Ticket};

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
#[derive(Clone, Debug)]
pub(super) enum Store {
    Local(Arc<Local>),
    Shared(Arc<Shared>),
}

/// What an admitted attempt has at one party until it is settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) kind: Kind,
    pub(super) key: Key,
    pub(super) taken: Taken,
}

/// Where a seat was taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Taken {
    Here,
    InRedis(Ticket),
}

/// Pauses between questions whether a shared key is still busy double from the first to the last of these. Another
/// Headwall's attempts end without a word to this one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

// === impl Kind ===

impl Kind {
    /// The word for log, metrics and keys.
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
    pub(super) const fn of(&self, kind: Kind) -> &Rule {
        match kind {
            Kind::Address => &self.address,
            Kind::Account => &self.account,
            Kind::Network => &self.network,
        }
    }
}

// === impl Store ===

impl Store {
    /// Asks for an attempt. One that is admitted is settled later.
    pub(super) async fn admit(&self, rules: &Rules, kind: Kind, key: Key) -> Result<Seat, Refusal> {
        let taken = match self {
            Self::Local(local) => local.admit(rules, kind, key).map(|()| Taken::Here)?,
            Self::Shared(shared) => shared.admit(rules, kind, key).await?,
        };
        Ok(Seat { kind, key, taken })
    }

    /// Takes note in the tables here of how an attempt has ended. The answer is the length of a lockout that begins with
    /// it. What is shared has to be told of it [too](Shared::settle).
    pub(super) fn settle(&self, rules: &Rules, seat: &Seat, settlement: Settlement) -> Option<Duration> {
        let Seat { kind, key, taken } = *seat;
        match taken {
            Taken::Here => self.local().settle(rules, kind, key, settlement),
            Taken::InRedis(_) => self.local().note(rules, kind, key, settlement),
        }
    }

    /// What to wait for when [`admit`](Self::admit) says that a key is busy: some attempt was settled here. Ask for it
    /// before `admit`, so that nothing is missed in between.
    pub(super) fn settled(&self, key: Key) -> Notified<'_> {
        self.local().settled(key)
    }

    /// How long to wait for that at most before the given question is asked again, counted from 0; none where nobody
    /// else settles anything.
    pub(super) fn pause(&self, question: u32) -> Option<Duration> {
        match self {
            Self::Local(_) => None,
            Self::Shared(_) => Some(PAUSES.0.saturating_mul(1 << question.min(10)).min(PAUSES.1)),
        }
    }

    /// Whether a pair of address and account has been let in lately.
    pub(super) async fn knows(&self, pair: Key) -> bool {
        match self {
            Self::Local(local) => local.knows(pair),
            Self::Shared(shared) => shared.knows(pair).await,
        }
    }

    /// The tables of this process. Next to a Redis they are kept up to date, so that nobody starts afresh when it goes.
    pub(super) fn local(&self) -> &Local {
        match self {
            Self::Local(local) => local,
            Self::Shared(shared) => shared.local(),
        }
    }
}
