//! The numbers about a Redis, under the names that the asking service has for them.

use headwall_core::{BoxError, Metrics};
use prometheus::{Histogram, IntCounter, IntGauge};

/// What a Redis is there for.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    /// Who speaks in the log, such as `limits`.
    pub name: &'static str,
    /// The metric that says whether this Redis is asked: a gauge with the label `server`.
    pub up: &'static str,
    /// The metric of questions: a counter with the labels `server` and `outcome`.
    pub requests: &'static str,
    /// The metric of how long answers took: a histogram with the label `server`.
    pub seconds: &'static str,
}

/// The handles for one Redis.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) up: IntGauge,
    pub(crate) answered: IntCounter,
    pub(crate) late: IntCounter,
    pub(crate) failed: IntCounter,
    pub(crate) skipped: IntCounter,
    pub(crate) seconds: Histogram,
}

// === impl Numbers ===

impl Numbers {
    pub(crate) fn new(metrics: &Metrics, purpose: &Purpose, server: &str) -> Result<Self, BoxError> {
        let up = metrics.gauges(
            purpose.up,
            "Whether this Redis is asked; 0 while there is a fallback.",
            &["server"],
        )?;
        let requests = metrics.counters(
            purpose.requests,
            "Questions to a Redis: answered, late, failed, or skipped because it was known to be gone.",
            &["server", "outcome"],
        )?;
        let seconds = metrics.seconds(purpose.seconds, "How long Redis took to answer.", &["server"])?;
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
