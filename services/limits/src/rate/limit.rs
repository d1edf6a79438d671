//! One limit, as everything that a request needs of it.

use headwall_core::{BoxError, Build};
use headwall_limit::{Charge, Decision, Key, Quota};
use prometheus::IntCounter;

use crate::Exempt;
use crate::key::Keys;
use crate::rate::fields::Policy;
use crate::refusal::Refusal;
use crate::store::{Otherwise, Shared, Store};

/// One limit.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) quota: Quota,
    pub(super) keys: Keys,
    pub(super) exempt: Exempt,
    pub(super) dry_run: bool,
    pub(super) headers: bool,
    pub(super) policy: Policy,
    pub(super) refusal: Refusal,
    pub(super) unavailable: Refusal,
    pub(super) counters: Counters,
    pub(super) store: Store,
}

/// What a limit has decided so far.
#[derive(Debug)]
pub(super) struct Counters {
    passed: IntCounter,
    delayed: IntCounter,
    rejected: IntCounter,
    unavailable: IntCounter,
    /// Decisions that Redis should have made.
    pub(super) fallbacks: IntCounter,
}

// === impl Limit ===

impl Limit {
    /// What Redis is needed for, if this limit counts there.
    pub(super) fn shared(&self) -> Option<&Shared> {
        match &self.store {
            Store::Shared(shared) => Some(shared),
            Store::Local(_) | Store::Sketch(_) => None,
        }
    }

    /// Decides here, where that is possible.
    pub(super) fn visit(&self, key: Key, charge: Charge) -> Nearby {
        match &self.store {
            Store::Local(zone) | Store::Shared(Shared { otherwise: Otherwise::Local(zone), .. }) => {
                Nearby::Decided(zone.visit(key, &self.quota, charge))
            }
            Store::Sketch(sketch) => Nearby::Decided(sketch.visit(key, &self.quota, charge)),
            Store::Shared(Shared { otherwise: Otherwise::Allow, .. }) => Nearby::Allowed,
            Store::Shared(Shared { otherwise: Otherwise::Refuse, .. }) => Nearby::Refused,
        }
    }
}

/// What this process can say about a request by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nearby {
    Decided(Decision),
    /// Nothing is known, and it is to pass.
    Allowed,
    /// Nothing is known, and it is not to pass.
    Refused,
}

// === impl Counters ===

impl Counters {
    pub(super) fn new(cx: &Build<'_>, dry_run: bool) -> Result<Self, BoxError> {
        let decisions = cx.metrics().counters(
            "headwall_rate_limit_decisions_total",
            "Requests that a rate limit has decided on.",
            &["place", "decision"],
        )?;
        let fallbacks = cx.metrics().counters(
            "headwall_rate_limit_fallbacks_total",
            "Decisions that were made without the Redis that should have made them.",
            &["place"],
        )?;
        let suffix = if dry_run { "_dry_run" } else { "" };
        let decision = |word: &str| decisions.with_label_values(&[cx.place(), &format!("{word}{suffix}")]);
        Ok(Self {
            passed: decision("passed"),
            delayed: decision("delayed"),
            rejected: decision("rejected"),
            unavailable: decision("unavailable"),
            fallbacks: fallbacks.with_label_values(&[cx.place()]),
        })
    }

    pub(super) fn pass(&self, decision: Option<&Decision>) {
        let waits = decision.is_some_and(|decision| !decision.delay().is_zero());
        if waits { &self.delayed } else { &self.passed }.inc();
    }

    pub(super) fn refuse(&self, decision: Option<&Decision>) {
        if decision.is_some() { &self.rejected } else { &self.unavailable }.inc();
    }
}
