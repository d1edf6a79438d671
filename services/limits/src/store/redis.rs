//! Counts in Redis: one atomic script for each decision, within a budget of time.
//!
//! A request waits for Redis as long as the budget says and no longer. When Redis has gone, or is late five times in
//! a row, it is not asked again until a task of its own has found that it answers in time; meanwhile requests do not
//! wait at all. So a Redis that dies, hangs or is restarted costs no request.

mod link;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use headwall_core::{BoxError, Metrics};
use headwall_limit::{Charge, Key, Quota, Standing};
use prometheus::{Histogram, IntCounter, IntGauge};
use redis::{RedisError, Script};
use smallvec::SmallVec;

use crate::store::RedisStore;
use link::{Link, Source};

/// A Redis that limits count in.
#[derive(Debug)]
pub(crate) struct Redis {
    source: Source,
    budget: Duration,
    script: Script,
    /// The connection, while there is one to be relied on.
    link: ArcSwapOption<Link>,
    /// Whether a task is looking for one.
    looking: AtomicBool,
    /// How many answers in a row have come too late.
    late: AtomicU32,
    metrics: StoreMetrics,
}

/// The account of one limit and what it is allowed.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) key: Key,
    pub(crate) quota: &'a Quota,
}

/// What accounts stood at before a request; `None` for one that was not there.
pub(crate) type Standings = SmallVec<[Option<Standing>; 2]>;

#[derive(Debug)]
struct StoreMetrics {
    up: IntGauge,
    answered: IntCounter,
    late: IntCounter,
    failed: IntCounter,
    skipped: IntCounter,
    seconds: Histogram,
}

/// How many late answers in a row make Redis count as gone.
const LATE: u32 = 5;

/// How long a connection may take to open, handshakes included.
const CONNECT: Duration = Duration::from_secs(2);

/// Pauses between attempts to connect double from the first to the last of these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

// === impl Redis ===

impl Redis {
    /// Reads the addresses; opens nothing yet.
    pub(crate) fn new(settings: &RedisStore, metrics: &Metrics) -> Result<Self, BoxError> {
        let source = Source::new(settings)?;
        let metrics = StoreMetrics::new(metrics, &source.name())?;
        Ok(Self {
            source,
            budget: settings.timeout.as_std(),
            script: Script::new(include_str!("redis/charge.lua")),
            link: ArcSwapOption::empty(),
            looking: AtomicBool::new(false),
            late: AtomicU32::new(0),
            metrics,
        })
    }

    /// Whether accounts have to be asked for one by one, because they live on different servers.
    pub(crate) fn is_split(&self) -> bool {
        matches!(self.source, Source::Cluster(_))
    }

    /// Connects before the first request needs it. Where that fails, a task goes on trying.
    pub(crate) async fn warm_up(self: Arc<Self>) {
        // After a reload the connection is mostly there.
        if self.link.load().is_none() && !self.looking.swap(true, Ordering::AcqRel) {
            match self.connect().await {
                Ok(()) => self.looking.store(false, Ordering::Release),
                Err(error) => self.go_on_looking(&error),
            }
        }
    }

    /// Decides on one request under all of the accounts and charges as told, atomically. `None` when Redis has not
    /// answered within the budget, or is known to be gone.
    pub(crate) async fn visit(
        self: &Arc<Self>,
        accounts: &[Account<'_>],
        charge: Charge,
    ) -> Option<Standings> {
        let Some(link) = self.link.load_full() else {
            self.metrics.skipped.inc();
            self.look();
            return None;
        };
        let started = Instant::now();
        let asked = tokio::time::timeout(self.budget, self.ask(&link, accounts, charge, None)).await;
        match asked {
            Ok(Ok(standings)) => {
                self.late.store(0, Ordering::Relaxed);
                self.metrics.answered.inc();
                self.metrics.seconds.observe(started.elapsed().as_secs_f64());
                Some(standings)
            }
            Ok(Err(error)) => {
                self.metrics.failed.inc();
                self.lose(&link, &error);
                None
            }
            Err(_) => {
                self.metrics.late.inc();
                if self.late.fetch_add(1, Ordering::Relaxed) + 1 >= LATE {
                    self.lose(&link, &"it is too slow");
                }
                None
            }
        }
    }

    /// Runs the script. `now` stands in for Redis's own clock, in tests.
    async fn ask(
        &self,
        link: &Link,
        accounts: &[Account<'_>],
        charge: Charge,
        now: Option<u64>,
    ) -> Result<Standings, RedisError> {
        let mut call = self.script.prepare_invoke();
        call.arg(match charge {
            Charge::Never => "peek",
            Charge::IfAllowed => "check",
            Charge::Always => "charge",
        });
        call.arg(now.map(|now| now.to_string()).unwrap_or_default());
        for account in accounts {
            call.key(format!("{}:{:032x}", account.prefix, account.key.to_bits()));
            call.arg(account.quota.milli_per_second()).arg(account.quota.burst_milli());
        }
        let numbers = link.run(&call).await?;
        let standing = |pair: &[i64]| match *pair {
            [excess, elapsed] => {
                let excess = u64::try_from(excess).ok()?;
                Some(Standing { excess, elapsed: elapsed.unsigned_abs() })
            }
            _ => None,
        };
        Ok(numbers.chunks(2).map(standing).collect())
    }

    /// Gives a connection up, unless another has taken its place already.
    fn lose(self: &Arc<Self>, link: &Arc<Link>, why: &dyn std::fmt::Display) {
        let before = self.link.compare_and_swap(link, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, link)) {
            self.metrics.up.set(0);
            log::warn!("limits: Redis at {} is lost until it answers in time: {why}", self.source.name());
            self.look();
        }
    }

    /// Has a task look for a connection, if none does yet.
    fn look(self: &Arc<Self>) {
        if !self.looking.swap(true, Ordering::AcqRel) {
            self.spawn(Duration::ZERO);
        }
    }

    fn go_on_looking(self: &Arc<Self>, why: &dyn std::fmt::Display) {
        log::warn!("limits: Redis at {} cannot be reached: {why}", self.source.name());
        self.spawn(PAUSES.0);
    }

    /// Tries until it works, or until no limit counts here any more.
    fn spawn(self: &Arc<Self>, mut pause: Duration) {
        let store = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(store) = store.upgrade() else { return };
                match store.connect().await {
                    Ok(()) => {
                        store.looking.store(false, Ordering::Release);
                        return;
                    }
                    Err(error) => log::debug!("limits: Redis at {}: {error}", store.source.name()),
                }
                pause = (pause * 2).clamp(PAUSES.0, PAUSES.1);
            }
        });
    }

    /// Opens a connection, and takes it if Redis knows the script and answers within the budget.
    async fn connect(&self) -> Result<(), BoxError> {
        let link = tokio::time::timeout(CONNECT, async {
            let link = self.source.connect().await?;
            link.load(&self.script).await?;
            Ok::<_, RedisError>(link)
        });
        let link = link.await.map_err(|_| "no connection within two seconds")??;
        let ready = tokio::time::timeout(self.budget, link.ping());
        ready.await.map_err(|_| "it is too slow")??;
        self.late.store(0, Ordering::Relaxed);
        self.link.store(Some(Arc::new(link)));
        self.metrics.up.set(1);
        log::info!("limits: counting in Redis at {}", self.source.name());
        Ok(())
    }
}

// === impl StoreMetrics ===

impl StoreMetrics {
    fn new(metrics: &Metrics, server: &str) -> Result<Self, BoxError> {
        let up = metrics.gauges(
            "headwall_rate_limit_store_up",
            "Whether limits are counted in this Redis; 0 while they fall back.",
            &["server"],
        )?;
        let requests = metrics.counters(
            "headwall_rate_limit_store_requests_total",
            "Decisions asked of a Redis: answered, late, failed, or skipped because it was known to be gone.",
            &["server", "outcome"],
        )?;
        let seconds = metrics.seconds(
            "headwall_rate_limit_store_seconds",
            "How long Redis took to decide.",
            &["server"],
        )?;
        let outcome = |outcome| requests.with_label_values(&[server, outcome]);
        Ok(Self {
            up: up.with_label_values(&[server]),
            answered: outcome("answered"),
            late: outcome("late"),
            failed: outcome("failed"),
            skipped: outcome("skipped"),
            seconds: seconds.with_label_values(&[server]),
        })
    }
}

#[cfg(test)]
mod tests;
