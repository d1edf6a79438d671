//! The server with the fewest requests, of two.
//!
//! Looking at two servers that chance has named is nearly as good as looking at all, and gateways that look at the same
//! time do not all send to the same one (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).

use super::dice::Dice;
use super::{Ask, Candidate, Pick, Policy};

/// Fewest requests in flight, for its weight.
#[derive(Debug)]
pub(super) struct LeastRequests;

struct Least(Dice);

impl Policy for LeastRequests {
    fn prepare(&self, candidates: &[Candidate]) -> Box<dyn Pick> {
        Box::new(Least(Dice::new(candidates)))
    }
}

impl Pick for Least {
    fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        self.0.better_of_two(ask, |candidate| {
            f64::from(candidate.server().in_flight()) / f64::from(candidate.weight())
        })
    }
}
