//! Passive health: how servers serve real requests, and what follows from it.
//!
//! Checks ask a server how it is; this looks at what it does. A server that fails so many requests in a row is
//! [ejected](ejections): passed over for a while that grows each time. A request only adds to a [count](conduct) of its server;
//! everything else happens when a count is full.

mod conduct;
mod ejections;
mod settings;

use std::sync::{Arc, Weak};

use headwall_core::error::Failure;
use headwall_core::{Attempt, BoxError, Metrics};
use http::StatusCode;
use parking_lot::Mutex;
use prometheus::IntCounterVec;
use tokio::time::Instant;

use crate::server::Server;
pub(crate) use conduct::Conduct;
use conduct::{Limits, Outcome};
use ejections::{Ejections, Rules};

pub use settings::PassiveHealth;

/// What a cluster makes of the way its servers serve.
#[derive(Debug)]
pub(crate) struct Judge {
    limits: Limits,
    rules: Rules,
}

/// Who is ejected from an upstream, over all its configs.
#[derive(Debug)]
pub(crate) struct Referee {
    upstream: Arc<str>,
    ejections: Mutex<Ejections<Arc<str>>>,
    counter: IntCounterVec,
}

// === impl Judge ===

impl Judge {
    /// None where nobody looks.
    pub(crate) fn new(settings: &PassiveHealth) -> Option<Self> {
        let PassiveHealth { enabled, failures, gateway_errors, base_time, max_time, max_ejected } = settings;
        let rules = Rules { base: base_time.as_std(), longest: max_time.as_std(), max_share: *max_ejected };
        let limits = Limits { failures: *failures, gateway_errors: *gateway_errors };
        enabled.then_some(Self { limits, rules })
    }

    /// Takes in how an attempt ended. True when that was one too many.
    pub(crate) fn sees(&self, server: &Server, attempt: &Attempt<'_>) -> bool {
        let Some(outcome) = outcome(attempt.status, attempt.failure) else { return false };
        server.conduct().take_in(outcome, &self.limits)
    }
}

/// What an attempt says of its server; nothing when the client is to blame for its end.
fn outcome(status: Option<StatusCode>, failure: Option<Failure>) -> Option<Outcome> {
    if let Some(failure) = failure {
        return failure.is_upstreams().then_some(Outcome::Failed);
    }
    Some(match status?.as_u16() {
        502..=504 => Outcome::GatewayError,
        _ => Outcome::Fine,
    })
}

// === impl Referee ===

impl Referee {
    /// Nobody is ejected yet.
    pub(crate) fn new(upstream: &str, metrics: &Metrics) -> Result<Self, BoxError> {
        let counter = metrics.counters(
            "headwall_upstream_ejections_total",
            "Servers that were passed over for a while because of how they served.",
            &["upstream", "server"],
        )?;
        Ok(Self { upstream: upstream.into(), ejections: Mutex::default(), counter })
    }

    /// Passes a server over for a while, unless too many of `all` are already.
    pub(crate) fn eject(self: &Arc<Self>, server: &Arc<Server>, all: &[Arc<str>], judge: &Judge) {
        let now = Instant::now();
        let Some(until) = self.ejections.lock().eject(server.name(), all, &judge.rules, now) else { return };
        let (upstream, name) = (&self.upstream, server.full_name());
        log::warn!("upstream {upstream}: {name} is passed over for {:?}: it fails requests", until - now);
        self.counter.with_label_values(&[&**upstream, &**server.label()]).inc();
        server.set_ejected(true);
        tokio::spawn(release(Arc::downgrade(self), Arc::downgrade(server), until));
    }

    /// A check has passed: whatever it was, it is over.
    pub(crate) fn pardon(&self, server: &Server) {
        if self.ejections.lock().pardon(server.name(), Instant::now()) {
            self.is_back(server);
        }
    }

    /// How often a server was ejected lately, and until when it is.
    pub(crate) fn record(&self, server: &Server) -> (u32, Option<Instant>) {
        self.ejections.lock().record(server.name())
    }

    fn is_back(&self, server: &Server) {
        log::info!("upstream {}: {} is asked again", self.upstream, server.full_name());
        server.conduct().forget();
        server.set_ejected(false);
    }
}

/// Ends an ejection, unless it has ended before.
async fn release(referee: Weak<Referee>, server: Weak<Server>, until: Instant) {
    tokio::time::sleep_until(until).await;
    let (Some(referee), Some(server)) = (referee.upgrade(), server.upgrade()) else { return };
    if referee.ejections.lock().release(server.name(), Instant::now()) {
        referee.is_back(&server);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attempt_says_of_its_server() {
        let rows = [
            (Some(200), None, Some(Outcome::Fine), "an answer"),
            (Some(404), None, Some(Outcome::Fine), "an answer too"),
            (Some(500), None, Some(Outcome::Fine), "the app's own error says nothing of the server"),
            (Some(502), None, Some(Outcome::GatewayError), "502"),
            (Some(503), None, Some(Outcome::GatewayError), "503"),
            (Some(504), None, Some(Outcome::GatewayError), "504"),
            (None, Some(Failure::ConnectRefused), Some(Outcome::Failed), "nobody there"),
            (Some(200), Some(Failure::Closed), Some(Outcome::Failed), "half an answer"),
            (None, Some(Failure::ClientClosed), None, "the client left"),
            (None, None, None, "nothing known"),
        ];
        for (status, failure, expected, row) in rows {
            let status = status.map(|status| StatusCode::from_u16(status).unwrap());
            assert_eq!(outcome(status, failure), expected, "{row}");
        }
    }
}
