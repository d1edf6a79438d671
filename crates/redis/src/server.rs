//! One atomic script for each question, within a budget of time.
//!
//! A request waits for Redis as long as the budget says and no longer. When Redis has gone, or is late five times in
//! a row, it is not asked again until a task of its own has found that it answers in time; meanwhile requests do not
//! wait at all. So a Redis that dies, hangs or is restarted costs no request.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use headwall_core::{BoxError, Build, Metrics};
use redis::{RedisError, Script};

use crate::link::{Link, Source};
use crate::metrics::Numbers;
use crate::{Call, Purpose, RedisStore};

/// A Redis that knows one script.
#[derive(Debug)]
pub struct Redis {
    source: Source,
    budget: Duration,
    script: Script,
    purpose: Purpose,
    /// The connection, while there is one to be relied on.
    link: ArcSwapOption<Link>,
    /// Whether a task is looking for one.
    looking: AtomicBool,
    /// How many answers in a row have come too late.
    late: AtomicU32,
    numbers: Numbers,
}

/// Why there is no answer. The asker does what it does without Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missed {
    /// Redis is known to be gone and was not asked.
    #[error("it is known to be gone")]
    Skipped,
    /// It was asked and has not answered in time. The script may have run or may yet run.
    #[error("it is too slow")]
    Late,
    /// It was asked and the connection broke, or the answer was an error. The script may have run.
    #[error("it has failed")]
    Failed,
}

/// How many late answers in a row make Redis count as gone.
const LATE: u32 = 5;

/// How long a connection may take to open, handshakes included.
const CONNECT: Duration = Duration::from_secs(2);

/// Pauses between attempts to connect double from the first to the last of these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

// === impl Redis ===

impl Redis {
    /// The Redis that all modules of one kind with these settings share, over a reload too. It is connected to before
    /// the first request; where that fails, a task goes on trying.
    ///
    /// # Errors
    ///
    /// When an address, the authorities, or their combination cannot be right. The error has no address in it.
    pub fn shared(
        cx: &mut Build<'_>,
        settings: &RedisStore,
        purpose: &Purpose,
        script: &str,
    ) -> Result<Arc<Self>, BoxError> {
        let urls: Vec<_> = settings.redis.0.iter().map(|url| url.expose()).collect();
        let RedisStore { cluster, sentinel, ca, timeout, .. } = settings;
        let master = sentinel
            .as_ref()
            .map(|sentinel| (&sentinel.master, sentinel.password.as_ref().map(|word| word.expose())));
        // The addresses may hold passwords, and keys of shared state can be printed.
        let identity = digest(&SHA256, format!("{urls:?} {cluster} {master:?} {ca:?}").as_bytes());
        let metrics = cx.metrics().clone();
        let make = || Self::new(settings, purpose, script, &metrics);
        let redis = cx.shared(&format!("redis {identity:?} {timeout}"), make)?;
        cx.before_traffic(redis.clone().warm_up());
        Ok(redis)
    }

    /// Reads the addresses; opens nothing yet.
    ///
    /// # Errors
    ///
    /// As those of [`shared`](Self::shared).
    pub fn new(
        settings: &RedisStore,
        purpose: &Purpose,
        script: &str,
        metrics: &Metrics,
    ) -> Result<Self, BoxError> {
        let source = Source::new(settings)?;
        let numbers = Numbers::new(metrics, purpose, &source.name())?;
        Ok(Self {
            source,
            budget: settings.timeout.as_std(),
            script: Script::new(script),
            purpose: *purpose,
            link: ArcSwapOption::empty(),
            looking: AtomicBool::new(false),
            late: AtomicU32::new(0),
            numbers,
        })
    }

    /// Whether keys have to be asked for one by one, because they live on different servers.
    pub fn is_split(&self) -> bool {
        matches!(self.source, Source::Cluster(_))
    }

    /// Whether there is a connection to be relied on.
    pub fn is_up(&self) -> bool {
        self.link.load().is_some()
    }

    /// Connects before the first request needs it. Where that fails, a task goes on trying.
    pub async fn warm_up(self: Arc<Self>) {
        // After a reload the connection is mostly there.
        if !self.is_up() && !self.looking.swap(true, Ordering::AcqRel) {
            match self.connect().await {
                Ok(()) => self.looking.store(false, Ordering::Release),
                Err(error) => self.go_on_looking(&error),
            }
        }
    }

    /// A run of the script, without keys and arguments as yet.
    pub fn call(&self) -> Call<'_> {
        self.script.prepare_invoke()
    }

    /// Runs the script for a request that waits, within the budget that the config says.
    ///
    /// # Errors
    ///
    /// When there is no answer within the budget, or Redis is known to be gone.
    pub async fn ask(self: &Arc<Self>, call: &Call<'_>) -> Result<Vec<i64>, Missed> {
        self.ask_within(self.budget, call).await
    }

    /// The same with a time of one's own, for what no request waits for.
    ///
    /// # Errors
    ///
    /// As those of [`ask`](Self::ask).
    pub async fn ask_within(
        self: &Arc<Self>,
        patience: Duration,
        call: &Call<'_>,
    ) -> Result<Vec<i64>, Missed> {
        let Some(link) = self.link.load_full() else {
            self.numbers.skipped.inc();
            self.look();
            return Err(Missed::Skipped);
        };
        let started = Instant::now();
        match tokio::time::timeout(patience, link.run(call)).await {
            Ok(Ok(numbers)) => {
                self.late.store(0, Ordering::Relaxed);
                self.numbers.answered.inc();
                self.numbers.seconds.observe(started.elapsed().as_secs_f64());
                Ok(numbers)
            }
            Ok(Err(error)) => {
                self.numbers.failed.inc();
                self.lose(&link, &error);
                Err(Missed::Failed)
            }
            Err(_) => {
                self.numbers.late.inc();
                if self.late.fetch_add(1, Ordering::Relaxed) + 1 >= LATE {
                    self.lose(&link, &Missed::Late);
                }
                Err(Missed::Late)
            }
        }
    }

    /// Gives a connection up, unless another has taken its place already.
    fn lose(self: &Arc<Self>, link: &Arc<Link>, why: &dyn Display) {
        let before = self.link.compare_and_swap(link, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, link)) {
            self.numbers.up.set(0);
            log::warn!("{}: Redis at {} is lost until it answers in time: {why}", self.name(), self.place());
            self.look();
        }
    }

    /// Has a task look for a connection, if none does yet.
    fn look(self: &Arc<Self>) {
        if !self.looking.swap(true, Ordering::AcqRel) {
            self.spawn(Duration::ZERO);
        }
    }

    fn go_on_looking(self: &Arc<Self>, why: &dyn Display) {
        log::warn!("{}: Redis at {} cannot be reached: {why}", self.name(), self.place());
        self.spawn(PAUSES.0);
    }

    /// Tries until it works, or until nobody needs this Redis any more.
    fn spawn(self: &Arc<Self>, mut pause: Duration) {
        let redis = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(redis) = redis.upgrade() else { return };
                match redis.connect().await {
                    Ok(()) => {
                        redis.looking.store(false, Ordering::Release);
                        return;
                    }
                    Err(error) => log::debug!("{}: Redis at {}: {error}", redis.name(), redis.place()),
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
        ready.await.map_err(|_| Missed::Late)??;
        self.late.store(0, Ordering::Relaxed);
        self.link.store(Some(Arc::new(link)));
        self.numbers.up.set(1);
        log::info!("{}: counting in Redis at {}", self.name(), self.place());
        Ok(())
    }

    const fn name(&self) -> &'static str {
        self.purpose.name
    }

    fn place(&self) -> String {
        self.source.name()
    }
}

#[cfg(test)]
mod tests;
