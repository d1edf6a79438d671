//! What the filters have decided, as one family of counters.
//!
//! All filters share one vocabulary, so that a panel shows them side by side.

use headwall_core::{BoxError, Build};
use prometheus::IntCounter;

/// How a filter has decided on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The request goes on.
    Passed,
    /// Nothing was shown.
    Missing,
    /// What was shown is not good.
    Wrong,
    /// What was shown was good once.
    Expired,
    /// It is known who asks, and it is not allowed.
    Forbidden,
    /// Too many are being checked to check another.
    Busy,
    /// Whoever has to be asked does not answer.
    Unavailable,
    /// A browser has asked what it may ask.
    Preflight,
}

const ALL: [Decision; 8] = [
    Decision::Passed,
    Decision::Missing,
    Decision::Wrong,
    Decision::Expired,
    Decision::Forbidden,
    Decision::Busy,
    Decision::Unavailable,
    Decision::Preflight,
];

/// The counters of one filter.
pub(crate) struct Tally([IntCounter; ALL.len()]);

// === impl Decision ===

impl Decision {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Preflight => "preflight",
        }
    }
}

// === impl Tally ===

impl Tally {
    /// The counters of the filter that is being built.
    pub(crate) fn new(cx: &Build<'_>) -> Result<Self, BoxError> {
        let decisions = cx.metrics().counters(
            "headwall_access_decisions_total",
            "Requests that a filter of access control has decided on.",
            &["place", "filter", "decision"],
        )?;
        let (place, filter) = (cx.place(), cx.name());
        Ok(Self(ALL.map(|decision| decisions.with_label_values(&[place, filter, decision.word()]))))
    }

    pub(crate) fn count(&self, decision: Decision) {
        self.0[decision as usize].inc();
    }
}
