//! A certificate that somebody looks after: what it is, where it comes from, how it fares.

use std::sync::Arc;
use std::time::SystemTime;

use headwall_acme::{Managed, State, Status};
use headwall_core::{BoxError, Metrics};
use headwall_tls::{Identity, Slot};
use parking_lot::Mutex;
use prometheus::IntCounterVec;
use serde::Serialize;
use tokio::task::JoinHandle;

/// A certificate that outlives reloads, and whatever keeps it fresh. Dropping it ends that.
#[derive(Debug)]
pub(crate) struct Certificate {
    site: String,
    /// What it is called in logs and metrics: the host it was wanted for, or its file.
    label: String,
    slot: Arc<Slot>,
    care: Care,
}

/// Who looks after it.
#[derive(Debug)]
pub(crate) enum Care {
    /// Somebody else, who puts it into files. The error is the last one, as long as it counts.
    Files { watch: JoinHandle<()>, error: Arc<Mutex<Option<String>>> },
    /// We do, with a CA.
    Acme(Managed),
}

/// Certificates that were exchanged for new ones, counted.
#[derive(Debug, Clone)]
pub(crate) struct Renewals(IntCounterVec);

/// How a certificate fares, for whoever asks.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    site: String,
    certificate: String,
    source: &'static str,
    /// `valid`, `pending` (there is none yet), `expired`, `renewing` or `failing`.
    state: &'static str,
    names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl Certificate {
    pub(crate) fn new(site: &str, label: String, slot: Arc<Slot>, care: Care) -> Self {
        Self { site: site.to_owned(), label, slot, care }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    pub(crate) fn site(&self) -> &str {
        &self.site
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn source(&self) -> &'static str {
        match self.care {
            Care::Files { .. } => "file",
            Care::Acme(_) => "acme",
        }
    }

    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.slot.identity()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let identity = self.identity();
        let now = SystemTime::now();
        let held = match &identity {
            None => "pending",
            Some(identity) if identity.is_valid_at(now) => "valid",
            Some(_) => "expired",
        };
        let (state, next_attempt, failures, last_error) = match &self.care {
            Care::Files { error, .. } => {
                let error = error.lock().clone();
                (if error.is_some() { "failing" } else { held }, None, 0, error)
            }
            Care::Acme(managed) => {
                let Status { state, next_attempt, failures, last_error, .. } = managed.status();
                let state = match state {
                    State::Pending => "pending",
                    State::Renewing => "renewing",
                    State::Failing => "failing",
                    State::Valid => held,
                };
                (state, next_attempt.map(|at| at.to_string()), failures, last_error)
            }
        };
        let time = |time: SystemTime| jiff::Timestamp::try_from(time).ok().map(|time| time.to_string());
        Snapshot {
            site: self.site.clone(),
            certificate: self.label.clone(),
            source: self.source(),
            state,
            names: identity.iter().flat_map(|identity| identity.names()).collect(),
            issuer: identity.as_ref().map(|identity| identity.issuer().to_owned()),
            serial: identity.as_ref().map(|identity| identity.serial().to_owned()),
            not_before: identity.as_ref().and_then(|identity| time(identity.not_before())),
            not_after: identity.as_ref().and_then(|identity| time(identity.not_after())),
            next_attempt,
            failures,
            last_error,
        }
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        if let Care::Files { watch, .. } = &self.care {
            watch.abort();
        }
    }
}

impl Renewals {
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, BoxError> {
        let counters = metrics.counters(
            "headwall_certificate_renewals_total",
            "Attempts to exchange a certificate for a new one, by result; for files, each time they have changed.",
            &["site", "certificate", "result"],
        )?;
        Ok(Self(counters))
    }

    pub(crate) fn count(&self, site: &str, label: &str, succeeded: bool) {
        let result = if succeeded { "succeeded" } else { "failed" };
        self.0.with_label_values(&[site, label, result]).inc();
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
