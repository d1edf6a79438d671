//! Handshakes, counted.

use std::time::Duration;

use headwall_core::connection::Tls;
use headwall_core::{BoxError, Metrics};
use prometheus::{Histogram, IntCounter};

use super::Failure;
use super::failure::REASONS;

/// What TLS listeners count.
#[derive(Clone, Debug)]
pub struct HandshakeMetrics {
    /// Full and resumed handshakes of TLS 1.2, then of TLS 1.3.
    completed: [[IntCounter; 2]; 2],
    failed: [IntCounter; REASONS.len()],
    duration: Histogram,
}

impl HandshakeMetrics {
    /// The families, in a server's metrics.
    pub fn new(metrics: &Metrics) -> Result<Self, BoxError> {
        let completed = metrics.counters(
            "headwall_tls_handshakes_total",
            "TLS handshakes with clients that succeeded, by version and whether an earlier session was resumed.",
            &["version", "resumed"],
        )?;
        let failed = metrics.counters(
            "headwall_tls_handshake_failures_total",
            "TLS handshakes with clients that failed, by reason.",
            &["reason"],
        )?;
        let duration = metrics.seconds(
            "headwall_tls_handshake_seconds",
            "From the acceptance of a connection to the end of its TLS handshake, where that succeeded.",
            &[],
        )?;
        let of = |version| ["false", "true"].map(|resumed| completed.with_label_values(&[version, resumed]));
        Ok(Self {
            completed: [of("TLSv1.2"), of("TLSv1.3")],
            failed: REASONS.map(|reason| failed.with_label_values(&[reason])),
            duration: duration.with_label_values::<&str>(&[]),
        })
    }

    pub(crate) fn completed(&self, tls: &Tls, took: Duration) {
        let is_13 = tls.version == "TLSv1.3";
        self.completed[usize::from(is_13)][usize::from(tls.resumed)].inc();
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, failure: &Failure) {
        self.failed[failure.index()].inc();
    }
}
