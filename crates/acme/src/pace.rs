//! Time and chance as values, so that a test can hold both in its hands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// How long everything takes. The defaults are for production; tests pass shorter ones.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Tells the time and draws numbers.
    pub clock: Arc<dyn Clock>,
    /// How long after each failure the next attempt is made.
    pub retry: RetrySchedule,
    /// A whole request to a CA or a webhook, from the connection to the last byte. 30 s.
    pub request_timeout: Duration,
    /// How long an order may stay with the CA, challenges and issuance each. 5 min.
    pub order_timeout: Duration,
    /// The first wait before an order is asked for again; each next one is twice as long, up to 10 s. 500 ms.
    pub order_poll: Duration,
    /// How often the storage is looked at for a certificate that another process has obtained. 10 min.
    pub storage_check: Duration,
    /// A lock's times.
    pub lock: LockPace,
}

/// A lock's times. All processes on one storage need the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockPace {
    /// How often the holder writes that it is still there. 5 s.
    pub refresh: Duration,
    /// How long after the last refresh the lock is nobody's. 10 s.
    pub stale: Duration,
    /// How often a waiting process looks. 1 s.
    pub poll: Duration,
}

/// How long to wait after the first failure, the second, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    /// The waits after the first failures.
    pub first: Vec<Duration>,
    /// The wait after every later one, for a month.
    pub then: Duration,
    /// The wait after failing for a month.
    pub finally: Duration,
}

/// Tells the time and draws numbers.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;
    /// A number from 0 up to, without, 1; each as likely as any other.
    fn random(&self) -> f64;
}

/// The machine's clock and an ordinary generator. Nothing secret is drawn from it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

// === impl Pace ===

impl Default for Pace {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            retry: RetrySchedule::default(),
            request_timeout: Duration::from_secs(30),
            order_timeout: Duration::from_secs(5 * 60),
            order_poll: Duration::from_millis(500),
            storage_check: Duration::from_secs(10 * 60),
            lock: LockPace::default(),
        }
    }
}

// === impl LockPace ===

impl Default for LockPace {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(5), stale: Duration::from_secs(10), poll: Duration::from_secs(1) }
    }
}

// === impl Clock ===

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random(&self) -> f64 {
        fastrand::f64()
    }
}

/// A point in time that far away, or the last one there is.
pub(crate) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// A point in time that long ago, or the first one there is.
pub(crate) fn before(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_sub(wait).unwrap_or(Timestamp::MIN)
}

/// How long it is until `time`; nothing when it is past.
pub(crate) fn until(time: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(now)).unwrap_or_default()
}
