//! A circuit breaker: when too many attempts fail, nobody is sent for a while.
//!
//! It has one state for the whole upstream. Closed, it counts failures in a window of time; when their share is too high
//! it opens, and every request is answered with 503 at once. After a while it lets a few through, the probes: if all of them
//! succeed it closes, and the first failure opens it again. No lock anywhere, and one atomic load while all is well.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use garde::Validate;
use headwall_core::{Attempt, LocalReply, units};
use http::StatusCode;
use prometheus::IntGauge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// When an upstream is given up for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Breaker")]
pub struct BreakerSettings {
    /// The share of failures that opens it, in percent of the attempts in a window. Failures are attempts without a whole
    /// answer, and answers with a 5xx status. Default: 50.
    #[garde(range(min = 1, max = 100))]
    pub failures: u32,
    /// The time that is counted over. Default: `10s`.
    #[garde(custom(at_least_a_tenth))]
    pub window: units::Duration,
    /// How many attempts a window has to have before their failures mean something. Default: 20.
    #[garde(range(min = 1, max = 1_000_000))]
    pub min_requests: u32,
    /// How long it stays open before it is probed. Default: `5s`.
    #[garde(custom(at_least_a_tenth))]
    pub open: units::Duration,
    /// How many requests are let through as probes. Default: 3.
    #[garde(range(min = 1, max = 1000))]
    pub probes: u32,
}

/// The breaker of one upstream.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    since: Instant,
    /// When the window began.
    window: AtomicU64,
    /// Attempts in it, and failures among them.
    ended: AtomicU32,
    failed: AtomicU32,
    /// Until when it is open, and from when on probes are let through. 0 is closed. All times are milliseconds from `since`.
    open_until: AtomicU64,
    /// Probes that may still go.
    probes: AtomicU32,
    /// Probes that have come back well.
    passed: AtomicU32,
    gauge: IntGauge,
}

/// What an attempt has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    Not,
    Open,
    Closed,
}

/// How long to stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IsOpen(pub(crate) Duration);

impl Breaker {
    pub(crate) fn new(settings: &BreakerSettings, gauge: IntGauge) -> Self {
        Self {
            settings: settings.clone(),
            since: Instant::now(),
            window: AtomicU64::new(0),
            ended: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            open_until: AtomicU64::new(0),
            probes: AtomicU32::new(0),
            passed: AtomicU32::new(0),
            gauge,
        }
    }

    /// Whether an attempt may be made.
    pub(crate) fn admit(&self) -> Result<(), IsOpen> {
        let until = self.open_until.load(Ordering::Acquire);
        if until == 0 {
            return Ok(());
        }
        let now = self.now();
        if now < until {
            return Err(IsOpen(Duration::from_millis(until - now)));
        }
        let one_less = |probes: u32| probes.checked_sub(1);
        if self.probes.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_less).is_ok() {
            return Ok(());
        }
        // Probes whose end is long in coming, such as those that became streams, are not waited for.
        let open = millis(&self.settings.open);
        if now >= until + open
            && self.open_until.compare_exchange(until, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            self.passed.store(0, Ordering::Relaxed);
            self.probes.store(self.settings.probes - 1, Ordering::Release);
            return Ok(());
        }
        Err(IsOpen(self.settings.open.as_std()))
    }

    /// Takes in how an attempt has ended.
    pub(crate) fn ended(&self, attempt: &Attempt<'_>) -> Turned {
        match attempt.failure {
            Some(failure) if failure.is_upstreams() => self.count(true),
            // The client left, which tells nothing.
            Some(_) => Turned::Not,
            None => self.count(attempt.status.is_some_and(|status| status.is_server_error())),
        }
    }

    fn count(&self, has_failed: bool) -> Turned {
        let (until, now) = (self.open_until.load(Ordering::Acquire), self.now());
        match until {
            0 => self.count_closed(has_failed, now),
            // Attempts from before it opened.
            until if now < until => Turned::Not,
            until if has_failed => self.open(until, now),
            until => {
                let passed = self.passed.fetch_add(1, Ordering::AcqRel) + 1;
                if passed >= self.settings.probes { self.close(until, now) } else { Turned::Not }
            }
        }
    }

    fn count_closed(&self, has_failed: bool, now: u64) -> Turned {
        let window = self.window.load(Ordering::Acquire);
        let is_over = now >= window + millis(&self.settings.window);
        if is_over && self.window.compare_exchange(window, now, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.ended.store(0, Ordering::Relaxed);
            self.failed.store(0, Ordering::Relaxed);
        }
        let failed = self.failed.fetch_add(u32::from(has_failed), Ordering::Relaxed) + u32::from(has_failed);
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        let is_too_much = u64::from(failed) * 100 >= u64::from(ended) * u64::from(self.settings.failures);
        if has_failed && ended >= self.settings.min_requests && is_too_much {
            return self.open(0, now);
        }
        Turned::Not
    }

    fn open(&self, was: u64, now: u64) -> Turned {
        self.passed.store(0, Ordering::Relaxed);
        self.probes.store(self.settings.probes, Ordering::Relaxed);
        self.turn(was, now + millis(&self.settings.open), Turned::Open)
    }

    fn close(&self, was: u64, now: u64) -> Turned {
        self.ended.store(0, Ordering::Relaxed);
        self.failed.store(0, Ordering::Relaxed);
        self.window.store(now, Ordering::Relaxed);
        self.turn(was, 0, Turned::Closed)
    }

    /// One of those who want to turn it at the same time does.
    fn turn(&self, was: u64, until: u64, turned: Turned) -> Turned {
        if self.open_until.compare_exchange(was, until, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Turned::Not;
        }
        self.gauge.set(i64::from(until != 0));
        // An open one that opens again was open all the time for whoever reads the log.
        if was != 0 && turned == Turned::Open { Turned::Not } else { turned }
    }

    /// Milliseconds, counted from 1: for the end of being open, 0 means closed.
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX / 4) + 1
    }
}

impl Drop for Breaker {
    /// A breaker that is not there refuses nobody.
    fn drop(&mut self) {
        self.gauge.set(0);
    }
}

fn millis(duration: &units::Duration) -> u64 {
    u64::try_from(duration.as_std().as_millis()).unwrap_or(u64::MAX / 4)
}

// === impl IsOpen ===

impl IsOpen {
    /// The answer to a request that is not sent.
    pub(crate) fn reply(self) -> LocalReply {
        LocalReply::error(StatusCode::SERVICE_UNAVAILABLE, "circuit_open").retry_after(self.0)
    }
}

// === impl BreakerSettings ===

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 50,
            window: units::Duration::from_secs(10),
            min_requests: 20,
            open: units::Duration::from_secs(5),
            probes: 3,
        }
    }
}

fn at_least_a_tenth(duration: &units::Duration, (): &()) -> garde::Result {
    if duration.as_std() < Duration::from_millis(100) {
        return Err(garde::Error::new("expected at least 100ms"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        let settings = BreakerSettings { min_requests: 4, ..BreakerSettings::default() };
        Breaker::new(&settings, IntGauge::new("open", "Open.").unwrap())
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_enough_attempts_open_it_and_probes_close_it() {
        let breaker = breaker();
        let results = [true, true, true, false, false].map(|failed| breaker.count(failed));
        assert_eq!(results, [Turned::Not; 5], "a failure turns it, and the fourth attempt was none");
        assert_eq!(breaker.count(true), Turned::Open, "4 of 6");
        assert_eq!(breaker.gauge.get(), 1);
        assert_eq!(breaker.admit(), Err(IsOpen(Duration::from_secs(5))));
        assert_eq!(breaker.count(true), Turned::Not, "late news of attempts from before");
        pass(5).await;
        let admitted: Vec<_> = (0..5).map(|_| breaker.admit().is_ok()).collect();
        assert_eq!(admitted, [true, true, true, false, false], "probes alone");
        assert_eq!([false, false].map(|failed| breaker.count(failed)), [Turned::Not; 2]);
        assert_eq!(breaker.count(false), Turned::Closed);
        assert_eq!((breaker.admit(), breaker.gauge.get()), (Ok(()), 0));
        assert_eq!(breaker.count(true), Turned::Not, "it counts from the beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_fails_opens_it_again() {
        let breaker = breaker();
        assert_eq!((0..4).map(|_| breaker.count(true)).last(), Some(Turned::Open));
        pass(5).await;
        assert_eq!(breaker.admit(), Ok(()));
        assert_eq!(breaker.count(true), Turned::Not, "it was open all the time");
        assert!(breaker.admit().is_err());
        pass(5).await;
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn probes_that_do_not_end_are_not_waited_for() {
        let breaker = breaker();
        assert_eq!((0..4).map(|_| breaker.count(true)).last(), Some(Turned::Open));
        pass(5).await;
        assert_eq!((0..9).filter(|_| breaker.admit().is_ok()).count(), 3);
        pass(5).await;
        assert_eq!((0..9).filter(|_| breaker.admit().is_ok()).count(), 3, "others are sent");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_another_window_do_not_count() {
        let breaker = breaker();
        for _ in 0..20 {
            assert_eq!([true, true, true].map(|failed| breaker.count(failed)), [Turned::Not; 3]);
            pass(11).await;
        }
    }
}
