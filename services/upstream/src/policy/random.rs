//! Chance.
//!
//! Several gateways in front of the same servers do not fall into step, which is what turns may do.

use super::dice::Dice;
use super::{Ask, Candidate, Pick, Policy};

/// Any server, by weight.
#[derive(Debug)]
pub(super) struct Random;

struct Chance(Dice);

impl Policy for Random {
    fn prepare(&self, candidates: &[Candidate]) -> Box<dyn Pick> {
        Box::new(Chance(Dice::new(candidates)))
    }
}

impl Pick for Chance {
    fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        self.0.throw_for(|index| ask.is_open(index))
    }
}
