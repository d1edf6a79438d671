//! What is remembered of one address, account or network, and the arithmetic of its lockouts.
//!
//! A record is fed with attempts: each is admitted first and settled later, by what the app has answered. So that a
//! thousand attempts at once get no further than a thousand in a row, those that are under way count as if they had
//! failed already.
//!
//! Whose failures they are is remembered too: for an address the accounts that it has tried, for an account the
//! addresses. A success takes back the failures of its own pair and no other, and undoes lockouts only where all of the
//! failures behind them were of that pair. Otherwise whoever has an account of his own could log in with it after every
//! few guesses at somebody else's, and begin anew.

use std::time::Duration;

use headwall_limit::{Key, Millis};

/// When failures become a lockout, and how long it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// So many failures within the window bring the first lockout; at least one.
    pub(super) failures: usize,
    /// So many bring each further one; at least one, and not more than the first takes.
    pub(super) again: usize,
    /// Whether failures of one party count once.
    pub(super) distinct: bool,
    /// How long a failure counts.
    pub(super) window: Duration,
    /// How long the first lockout lasts. Each further one lasts twice as long as the one before.
    pub(super) lockout: Duration,
    /// The longest that it gets.
    pub(super) longest: Duration,
}

/// The failures and lockouts of one party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Those within the window that have not become a lockout, oldest first.
    failures: Vec<Failure>,
    /// Whose failures have become lockouts.
    culprits: Culprits,
    /// How many lockouts there were.
    lockouts: u32,
    locked_until: Millis,
    /// Until when the lockouts are held against the party.
    remembered_until: Millis,
    in_flight: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failure {
    by: Key,
    at: Millis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Culprits {
    #[default]
    Nobody,
    One(Key),
    Several,
}

/// Why an attempt may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not now: if all that are under way fail, this would be one too many.
    Busy,
    /// Not before so much time has passed.
    Locked(Duration),
}

/// How an attempt has ended. `by` is the other side of the pair: for an address the account, for an account the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// The app has refused it.
    Failed {
        /// Who tried, or what was tried.
        by: Key,
    },
    /// The app has let it in.
    Succeeded {
        /// Who tried, or what was tried.
        by: Key,
    },
    /// Nobody knows, or it does not count.
    Withdrawn,
}

/// An attempt under way keeps its record for as long as this, which is longer than any answer takes.
const UNDER_WAY: Duration = Duration::from_secs(3_600);

// === impl Rule ===

impl Rule {
    /// How long the lockout of this number lasts, counted from 1.
    fn length(&self, number: u32) -> Duration {
        let doubled = 2_u32.checked_pow(number.saturating_sub(1));
        let length = doubled.and_then(|factor| self.lockout.checked_mul(factor));
        length.map_or(self.longest, |length| length.min(self.longest))
    }
}

// === impl Record ===

impl Record {
    /// Admits an attempt, which has to be settled afterwards, or says why not.
    pub(super) fn admit(&mut self, rule: &Rule, now: Millis) -> Result<(), Refusal> {
        self.forget(rule, now);
        if now < self.locked_until {
            return Err(Refusal::Locked(span(now, self.locked_until)));
        }
        // There is room for one even where a reload has made the rule stricter than what stands here.
        let room = self.limit(rule).saturating_sub(self.failures.len()).max(1);
        if self.in_flight >= room {
            return Err(Refusal::Busy);
        }
        self.in_flight += 1;
        Ok(())
    }

    /// Takes note of how an admitted attempt has ended. The answer is the length of a lockout that begins with it.
    pub(super) fn settle(&mut self, rule: &Rule, now: Millis, settlement: Settlement) -> Option<Duration> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.note(rule, now, settlement)
    }

    /// The same for an attempt that somebody else has admitted.
    pub(super) fn note(&mut self, rule: &Rule, now: Millis, settlement: Settlement) -> Option<Duration> {
        self.forget(rule, now);
        match settlement {
            Settlement::Failed { by } => self.fail(rule, now, by),
            Settlement::Succeeded { by } => {
                self.succeed(by);
                None
            }
            Settlement::Withdrawn => None,
        }
    }

    fn fail(&mut self, rule: &Rule, now: Millis, by: Key) -> Option<Duration> {
        // It was under way when the lockout began, which only happens where the rule or the table has changed.
        if now < self.locked_until {
            return None;
        }
        if rule.distinct {
            self.failures.retain(|failure| failure.by != by);
        }
        self.failures.push(Failure { by, at: now });
        (self.failures.len() >= self.limit(rule)).then(|| self.lock(rule, now))
    }

    fn lock(&mut self, rule: &Rule, now: Millis) -> Duration {
        let culprits =
            self.failures.drain(..).fold(self.culprits, |culprits, failure| culprits.and(failure.by));
        self.culprits = culprits;
        self.lockouts = self.lockouts.saturating_add(1);
        let length = rule.length(self.lockouts);
        self.locked_until = later(now, length);
        // Who waits out a long lockout and goes on is not taken for somebody new.
        self.remembered_until = later(self.locked_until, length.max(rule.window));
        length
    }

    fn succeed(&mut self, by: Key) {
        self.failures.retain(|failure| failure.by != by);
        if self.failures.is_empty() && self.culprits == Culprits::One(by) {
            *self = Self { in_flight: self.in_flight, ..Self::default() };
        }
    }

    /// How many failures make the next lockout.
    const fn limit(&self, rule: &Rule) -> usize {
        if self.lockouts == 0 { rule.failures } else { rule.again }
    }

    /// Drops what no longer counts.
    fn forget(&mut self, rule: &Rule, now: Millis) {
        self.failures.retain(|failure| now < later(failure.at, rule.window));
        if self.remembered_until <= now {
            self.lockouts = 0;
            self.culprits = Culprits::Nobody;
        }
    }

    /// Until when it makes a difference to remember this.
    pub(super) fn matters_until(&self, rule: &Rule, now: Millis) -> Millis {
        let counts = self.failures.last().map(|failure| later(failure.at, rule.window));
        let held = (self.lockouts > 0).then_some(self.remembered_until);
        let under_way = (self.in_flight > 0).then(|| later(now, UNDER_WAY));
        [counts, held, under_way].into_iter().flatten().max().unwrap_or(now)
    }
}

// === impl Culprits ===

impl Culprits {
    fn and(self, by: Key) -> Self {
        match self {
            Self::Nobody => Self::One(by),
            Self::One(other) if other == by => self,
            Self::One(_) | Self::Several => Self::Several,
        }
    }
}

/// The moment so much later.
pub(super) fn later(moment: Millis, by: Duration) -> Millis {
    Millis::new(moment.get().saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

/// The time from one moment to a later one.
fn span(from: Millis, to: Millis) -> Duration {
    Duration::from_millis(to.get().saturating_sub(from.get()))
}

#[cfg(test)]
mod tests;
