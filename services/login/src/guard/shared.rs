//! Attempts in a Redis, together with every other Headwall that counts there.
//!
//! Redis runs one script for each question, so whatever is asked at the same moment is answered in some order and no
//! attempt slips through between two Headwalls. A seat that is taken there keeps lockouts exact: until its attempt is
//! settled it counts as failed, so answers are sent before Redis knows of them, and nobody waits.
//!
//! A seat must not be left behind. Each has a ticket that is made here, so that one whose admission was not heard of can be
//! given back as well; and one whose Headwall has died is not counted after a while.

mod ticket;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use headwall_limit::Key;
use headwall_redis::{Call, Missed, Purpose, Redis};
use prometheus::IntCounter;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::local::Local;
use super::record::{Refusal, Rule, Settlement};
use super::store::{Kind, Rules, Seat, Taken};
pub(super) use ticket::Ticket;
use ticket::Tickets;

/// A Redis, and the tables here for when it is gone.
pub(super) struct Shared {
    redis: Arc<Redis>,
    local: Arc<Local>,
    /// What the guard's keys begin with.
    prefix: String,
    tickets: Tickets,
    /// Room for what no request waits for.
    background: Arc<Semaphore>,
    /// Questions that were answered here, because Redis was not there in time.
    fallbacks: IntCounter,
}

/// A place for one task.
pub(super) struct Room {
    permit: OwnedSemaphorePermit,
    runtime: Handle,
}

/// A seat that Redis was asked for. Unless its fate is known, it is given back.
struct Claim<'a> {
    shared: &'a Arc<Shared>,
    rule: &'a Rule,
    kind: Kind,
    key: Key,
    ticket: Ticket,
    is_open: bool,
}

/// The state machine of `record.rs`, for Redis.
pub(super) const SCRIPT: &str = include_str!("shared/record.lua");

/// What a guard calls the numbers about its Redis.
pub(super) const PURPOSE: Purpose = Purpose {
    name: "login_guard",
    up: "headwall_login_guard_store_up",
    requests: "headwall_login_guard_store_requests_total",
    seconds: "headwall_login_guard_store_seconds",
};

/// How long a seat is kept that nobody settles. Apps answer a login sooner; where one does not, its failure counts all the
/// same, and another attempt may begin before.
const SEAT: Duration = Duration::from_secs(120);

/// How long Redis may take for what no request waits for. Shorter than an attempt waits for others.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many attempts may be settled at the same time. More are noted here alone.
const BACKGROUND: usize = 1_024;

/// The longest span that Redis is told, a hundred years, which its numbers hold for sure.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

// === impl Shared ===

impl Shared {
    pub(super) fn new(
        redis: Arc<Redis>,
        local: Arc<Local>,
        prefix: &str,
        place: &str,
        fallbacks: IntCounter,
    ) -> Self {
        // Braces would have a cluster keep all of a guard's keys on one server.
        let place = place.replace('{', "(").replace('}', ")");
        Self {
            redis,
            local,
            prefix: format!("{prefix}:login:{place}"),
            tickets: Tickets::new(),
            background: Arc::new(Semaphore::new(BACKGROUND)),
            fallbacks,
        }
    }

    pub(super) fn local(&self) -> &Local {
        &self.local
    }

    /// Asks for an attempt, in Redis if it answers in time, and otherwise here.
    pub(super) async fn admit(
        self: &Arc<Self>,
        rules: &Rules,
        kind: Kind,
        key: Key,
    ) -> Result<Taken, Refusal> {
        let (rule, ticket) = (rules.of(kind), self.tickets.next());
        let claim = Claim { shared: self, rule, kind, key, ticket, is_open: true };
        let asked = self.redis.ask(&self.call(claim.seat(), rule, "admit", key, None)).await;
        match asked.as_deref() {
            Ok([0, _]) => {
                claim.close();
                return Ok(Taken::InRedis(ticket));
            }
            Ok([1, _]) => {
                claim.close();
                return Err(Refusal::Busy);
            }
            Ok([2, wait]) => {
                claim.close();
                return Err(Refusal::Locked(Duration::from_millis(wait.unsigned_abs())));
            }
            // It was not asked, so there is nothing to give back.
            Err(Missed::Skipped) => claim.close(),
            Ok(_) | Err(Missed::Late | Missed::Failed) => drop(claim),
        }
        self.fallbacks.inc();
        self.local.admit(rules, kind, key).map(|()| Taken::Here)
    }

    /// Tells Redis how an attempt has ended. The answer is the length of a lockout that begins with it.
    ///
    /// An attempt that was admitted here counts there too, if Redis has come back meanwhile.
    ///
    /// # Errors
    ///
    /// When Redis does not answer. It is not asked again: it may have heard.
    pub(super) async fn settle(
        self: &Arc<Self>,
        rules: &Rules,
        seat: &Seat,
        settlement: Settlement,
    ) -> Result<Option<Duration>, Missed> {
        let (word, by) = match settlement {
            Settlement::Failed { by } => ("failed", by),
            Settlement::Succeeded { by } => ("succeeded", by),
            Settlement::Withdrawn => ("withdrawn", seat.key),
        };
        let settled = self
            .redis
            .ask_within(PATIENCE, &self.call(*seat, rules.of(seat.kind), word, by, None))
            .await
            .inspect_err(|_| self.fallbacks.inc());
        if seat.kind == Kind::Address {
            self.local.wake(seat.key);
        }
        match *settled? {
            [1, length] => Ok(Some(Duration::from_millis(length.unsigned_abs()))),
            _ => Ok(None),
        }
    }

    /// Whether a pair of address and account has been let in lately, by any Headwall.
    pub(super) async fn knows(self: &Arc<Self>, pair: Key) -> bool {
        // What was seen here is true whatever becomes of Redis, and is not asked for.
        if self.local.knows(pair) {
            return true;
        }
        let mut call = self.redis.call();
        call.key(self.key("known", pair)).arg("known").arg("");
        match self.redis.ask(&call).await {
            Ok(numbers) => numbers.first() == Some(&1),
            Err(_) => {
                self.fallbacks.inc();
                false
            }
        }
    }

    /// A pair of address and account was let in.
    pub(super) async fn let_in(self: &Arc<Self>, rules: &Rules, pair: Key) {
        let mut call = self.redis.call();
        call.key(self.key("known", pair)).arg("let_in").arg("").arg(millis(rules.known_for).max(1));
        if self.redis.ask_within(PATIENCE, &call).await.is_err() {
            self.fallbacks.inc();
        }
    }

    /// Room for what no request waits for. None where there is too much of it, or nobody left to do it.
    pub(super) fn background(&self) -> Option<Room> {
        let room = self.room();
        if room.is_none() {
            self.fallbacks.inc();
        }
        room
    }

    fn room(&self) -> Option<Room> {
        let permit = self.background.clone().try_acquire_owned().ok()?;
        Some(Room { permit, runtime: Handle::try_current().ok()? })
    }

    /// The question about a seat. `now` stands in for Redis's own clock, in tests.
    fn call(&self, seat: Seat, rule: &Rule, what: &str, by: Key, now: Option<u64>) -> Call<'_> {
        let ticket = match seat.taken {
            Taken::InRedis(ticket) => ticket,
            Taken::Here => self.tickets.next(),
        };
        let mut call = self.redis.call();
        call.key(self.key(seat.kind.word(), seat.key))
            .arg(what)
            .arg(now.map(|now| now.to_string()).unwrap_or_default())
            .arg(ticket.to_string())
            .arg(millis(SEAT))
            .arg(rule.failures)
            .arg(rule.again)
            .arg(u8::from(rule.distinct))
            .arg(millis(rule.window))
            .arg(millis(rule.lockout))
            .arg(millis(rule.longest))
            .arg(format!("{:032x}", by.to_bits()));
        call
    }

    fn key(&self, kind: &str, key: Key) -> String {
        format!("{}:{kind}:{:032x}", self.prefix, key.to_bits())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("redis", &self.redis)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A span as the script takes it.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.min(LONGEST).as_millis()).unwrap_or(u64::MAX)
}

// === impl Claim ===

impl Claim<'_> {
    const fn seat(&self) -> Seat {
        Seat { kind: self.kind, key: self.key, taken: Taken::InRedis(self.ticket) }
    }

    /// What has become of it is known.
    fn close(mut self) {
        self.is_open = false;
    }
}

impl Drop for Claim<'_> {
    /// Redis was late, or the client has left while it was asked. Answers come in the order of questions, so this is heard
    /// after the question.
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let (shared, rule, seat) = (self.shared.clone(), self.rule.clone(), self.seat());
        let Some(room) = shared.background() else { return };
        room.spawn(async move {
            let call = shared.call(seat, &rule, "withdrawn", seat.key, None);
            // Without an answer the seat is given up after its time.
            drop(shared.redis.ask_within(PATIENCE, &call).await);
            shared.local.wake(seat.key);
        });
    }
}

// === impl Room ===

impl Room {
    pub(super) fn spawn(self, work: impl Future<Output = ()> + Send + 'static) {
        let Self { permit, runtime } = self;
        runtime.spawn(async move {
            work.await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests;
