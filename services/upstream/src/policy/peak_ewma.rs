//! The server that is likely to answer first, of two.
//!
//! What a server costs is its latency, times the requests that it has already and this one. The latency is a moving
//! average that follows a rise at once and a fall slowly, as in Finagle: a server that has become slow is left alone before
//! its queue is long, and is tried again while the memory of it fades.

use std::time::Duration;

use headwall_core::Attempt;
use http::StatusCode;
use tokio::time::Instant;

use super::dice::Dice;
use super::{Ask, Candidate, Pick, Policy};
use crate::server::Server;

/// What a failure adds to the time that it took: a server that refuses at once must not look like the fastest.
const FAILED: Duration = Duration::from_secs(1);
/// What a server costs for each request that it has before any answer of it was seen, in seconds.
const UNKNOWN: f64 = 1.0;

/// Least expected time to the first byte, for its weight.
#[derive(Debug)]
pub(super) struct PeakEwma;

struct Quickest(Dice);

impl Policy for PeakEwma {
    fn prepare(&self, candidates: &[Candidate]) -> Box<dyn Pick> {
        Box::new(Quickest(Dice::new(candidates)))
    }

    fn finished(&self, server: &Server, attempt: &Attempt<'_>) {
        let has_failed = match attempt.failure {
            Some(failure) if failure.is_upstreams() => true,
            // The client left, which tells nothing of the server.
            Some(_) => return,
            None => matches!(
                attempt.status,
                Some(StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
            ),
        };
        let took = attempt.elapsed + if has_failed { FAILED } else { Duration::ZERO };
        server.latency().take_in(took, Instant::now());
    }
}

impl Pick for Quickest {
    fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        let now = Instant::now();
        self.0.better_of_two(ask, |candidate| {
            let server = candidate.server();
            let in_flight = f64::from(server.in_flight());
            let cost = match server.latency().at(now) {
                Some(latency) => latency * (in_flight + 1.0),
                None => UNKNOWN * in_flight,
            };
            cost / f64::from(candidate.weight())
        })
    }
}
