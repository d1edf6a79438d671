//! The `rate_limit` filter, and the `login_guard`.
//!
//! ```yaml
//! rate_limit: { rate: 5r/m, burst: 2 }
//! ```
//!
//! The accounting is nginx's `limit_req`, to the millisecond (`headwall-limit` has the vectors). What differs is what
//! its users ask for: the status is 429 and carries `Retry-After`, an IPv6 client counts by its /64, and decisions are
//! metrics.

mod guard;
mod key;

use std::num::NonZeroUsize;
use std::sync::Arc;

use garde::Validate;
use headwall_core::units::Rate;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use headwall_limit::{KeyHasher, Quota, Verdict, Zone};
use http::StatusCode;
use prometheus::IntCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use guard::{AccountField, LoginGuard, Spread};
pub use key::KeySource;

/// Limits how often a client may ask.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many requests are let through in the long run: `5r/m`, `10r/s`, or `100 per 1m`.
    #[garde(skip)]
    pub rate: Rate,
    /// How many requests may come early, on top of the one that is due. Default: none, or for `100 per 1m`
    /// everything that the window allows.
    #[serde(default)]
    #[garde(inner(range(max = 1_000_000)))]
    pub burst: Option<u32>,
    /// Has early requests wait for their turn instead of passing at once, after this many have passed without
    /// waiting; nginx's `delay=`. With 0 all of them wait. Default: none waits (nginx's `nodelay`).
    #[serde(default)]
    #[garde(skip)]
    pub delay: Option<u32>,
    /// What is counted. Default: the client's address.
    #[serde(default)]
    #[garde(skip)]
    pub key: KeySource,
    /// How many clients are remembered at the same time; about 100 bytes each. Beyond that the one that was idle
    /// longest is forgotten. Default: 65536.
    #[serde(default = "default_capacity")]
    #[garde(range(min = 1, max = 100_000_000))]
    pub capacity: usize,
    /// Counts and decides, but lets everything pass: to see what a limit would do. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub dry_run: bool,
}

struct Limiter {
    zone: Arc<Zone>,
    key: KeySource,
    hasher: Arc<KeyHasher>,
    dry_run: bool,
    passed: IntCounter,
    delayed: IntCounter,
    rejected: IntCounter,
}

impl Module for RateLimit {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let mut quota = Quota::new(self.rate, self.burst.unwrap_or(self.rate.implied_burst()));
        if let Some(delay) = self.delay {
            quota = quota.delay_after(delay);
        }
        let capacity = NonZeroUsize::new(self.capacity).ok_or("capacity must not be 0")?;
        // The counts outlive a reload that changes nothing about what is counted and how.
        let identity = format!("{} {:?} {:?} {}", cx.place(), quota, self.key, capacity);
        let zone = cx.shared(&identity, || Ok(Zone::new(quota, capacity)))?;
        let decisions = cx.metrics().counters(
            "headwall_rate_limit_decisions_total",
            "Requests that a rate limit has decided on.",
            &["place", "decision"],
        )?;
        let suffix = if self.dry_run { "_dry_run" } else { "" };
        let decision = |word: &str| decisions.with_label_values(&[cx.place(), &format!("{word}{suffix}")]);
        Ok(Arc::new(Limiter {
            zone,
            key: self.key.clone(),
            hasher: cx.shared("keys", || Ok(KeyHasher::new()))?,
            dry_run: self.dry_run,
            passed: decision("passed"),
            delayed: decision("delayed"),
            rejected: decision("rejected"),
        }))
    }
}

#[async_trait]
impl Filter for Limiter {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        // A request without a key is not counted, as in nginx.
        let Some(key) = self.key.of(req, cx, &self.hasher) else { return Ok(Flow::Continue) };
        match self.zone.check(key).verdict() {
            Verdict::Pass => self.passed.inc(),
            Verdict::Delay(wait) => {
                self.delayed.inc();
                if !self.dry_run {
                    tokio::time::sleep(wait).await;
                }
            }
            Verdict::Reject { retry_after } => {
                self.rejected.inc();
                if !self.dry_run {
                    let reply = LocalReply::error(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
                    return Ok(Flow::Reply(reply.retry_after(retry_after)));
                }
            }
        }
        Ok(Flow::Continue)
    }
}

fn default_capacity() -> usize {
    65_536
}
