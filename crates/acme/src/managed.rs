//! The task that takes care of one certificate.

mod attempt;
mod plan;
mod stored;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::acme::Inner;
use crate::pace::{after, until};
use crate::status::State;
use crate::{Acme, Event, Issued, Status, Wanted};

use attempt::Failure;
use plan::Plan;
use stored::Current;

/// A certificate that is taken care of, until this is dropped.
///
/// Dropped in the middle of an order, it leaves the order in the storage, and the next task for the same names goes on
/// with it. A DNS record that was made for it stays then.
#[derive(Debug)]
pub struct Managed {
    status: Arc<Mutex<Status>>,
    task: JoinHandle<()>,
}

/// The task's state.
struct Task {
    acme: Arc<Inner>,
    wanted: Wanted,
    deliver: Box<dyn Fn(Issued) + Send + Sync>,
    tell: Box<dyn Fn(&Event) + Send + Sync>,
    status: Arc<Mutex<Status>>,
    /// The certificate that was delivered last.
    current: Option<Current>,
    /// Since when, unless it was there at the start.
    adopted: Option<Timestamp>,
    /// When it is renewed.
    plan: Option<Plan>,
    /// Failed attempts in a row, and since when.
    failures: u32,
    failing_since: Option<Timestamp>,
    /// CAs, by their directories, that asked not to be bothered until then.
    blocked: HashMap<String, Timestamp>,
}

// === impl Acme ===

impl Acme {
    /// Takes care of one certificate until the handle is dropped: obtains it, renews it, and calls `deliver` with each
    /// new one and `tell` with what happens.
    ///
    /// It never waits for a CA. A certificate in the storage is delivered before this returns; everything else happens
    /// in a task of its own. Events are not logged here: `tell` has them, and an [`Event`] displays as a log line.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, which the task needs.
    pub fn manage(
        &self,
        wanted: Wanted,
        deliver: impl Fn(Issued) + Send + Sync + 'static,
        tell: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Managed {
        let status = Arc::new(Mutex::new(Status::new(wanted.names.clone())));
        let mut task = Task {
            acme: self.inner.clone(),
            wanted,
            deliver: Box::new(deliver),
            tell: Box::new(tell),
            status: status.clone(),
            current: None,
            adopted: None,
            plan: None,
            failures: 0,
            failing_since: None,
            blocked: HashMap::new(),
        };
        task.pick_up();
        task.adopted = None;
        Managed { status, task: tokio::spawn(task.run()) }
    }
}

// === impl Managed ===

impl Managed {
    /// Where the certificate stands.
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Task ===

impl Task {
    async fn run(mut self) {
        loop {
            self.until_due().await;
            match self.obtain().await {
                Ok(()) => {
                    self.failures = 0;
                    self.failing_since = None;
                }
                Err(failure) => self.pause(failure).await,
            }
        }
    }

    /// Tells of a failure and waits for the time of the next attempt, or until another process was luckier.
    async fn pause(&mut self, failure: Failure) {
        let now = self.now();
        let since = *self.failing_since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        let random = self.acme.pace.clock.random();
        let wait = self.acme.pace.retry.wait(self.failures, until(now, since), self.asked_for(now), random);
        let next_attempt = after(now, wait);
        {
            let mut status = self.status.lock();
            status.state = State::Failing;
            status.failures = self.failures;
            status.last_error = Some(failure.error.clone());
            status.next_attempt = Some(next_attempt);
        }
        self.event(&Event::Failed {
            names: self.wanted.names.clone(),
            authority: failure.authority,
            challenge: failure.challenge,
            error: failure.error,
            next_attempt,
        });
        while self.now() < next_attempt {
            self.sleep_until(next_attempt).await;
            if self.pick_up() {
                self.failures = 0;
                self.failing_since = None;
                return;
            }
        }
    }

    /// How long all of the CAs want to be left alone, from now.
    fn asked_for(&self, now: Timestamp) -> Option<Duration> {
        let until_free = |blocked: &Timestamp| until(*blocked, now);
        let waits = self.wanted.authorities.iter();
        let waits: Option<Vec<Duration>> =
            waits.map(|authority| self.blocked.get(&authority.directory).map(until_free)).collect();
        waits?.into_iter().min()
    }

    fn now(&self) -> Timestamp {
        self.acme.pace.clock.now()
    }

    /// Sleeps until `time` or the next look at the storage. That look also finds out when the machine was suspended.
    async fn sleep_until(&self, time: Timestamp) {
        let wait = until(time, self.now()).min(self.acme.pace.storage_check);
        tokio::time::sleep(wait).await;
    }

    fn event(&self, event: &Event) {
        (self.tell)(event);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}
