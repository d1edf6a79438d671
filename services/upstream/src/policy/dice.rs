//! Chance by weight, in constant time.
//!
//! Walker's alias method: every server has a column of equal height, which it shares with at most one other. A throw is
//! a column and a height in it.

use super::{Ask, Candidate};

/// How often a throw that meets nobody of use is repeated before the servers are looked through.
const THROWS: usize = 4;

/// Dice that fall by weight.
#[derive(Debug)]
pub(super) struct Dice(Vec<Column>);

/// The part of a column that belongs to its server, and whose the rest is.
#[derive(Debug, Clone, Copy)]
struct Column {
    own: f32,
    other: u16,
}

impl Dice {
    /// Dice for these servers.
    pub(super) fn new(candidates: &[Candidate]) -> Self {
        let total: f64 = candidates.iter().map(|candidate| f64::from(candidate.weight())).sum();
        let scale = candidates.len() as f64 / total.max(1.0);
        let mut rest: Vec<f64> =
            candidates.iter().map(|candidate| f64::from(candidate.weight()) * scale).collect();
        let mut columns = vec![Column { own: 1.0, other: 0 }; rest.len()];
        let (mut poor, mut rich): (Vec<_>, Vec<_>) = (0..rest.len()).partition(|&index| rest[index] < 1.0);
        while let (Some(low), Some(high)) = (poor.pop(), rich.pop()) {
            columns[low] = Column { own: rest[low] as f32, other: u16::try_from(high).unwrap_or(0) };
            rest[high] -= 1.0 - rest[low];
            if rest[high] < 1.0 { &mut poor } else { &mut rich }.push(high);
        }
        Self(columns)
    }

    /// One throw.
    pub(super) fn throw(&self) -> usize {
        let index = fastrand::usize(..self.0.len());
        let Column { own, other } = self.0[index];
        if fastrand::f32() < own { index } else { usize::from(other) }
    }

    /// Throws until somebody of use comes up; if the dice do not want to, the next one of use in the list.
    pub(super) fn throw_for(&self, is_of_use: impl Fn(usize) -> bool) -> Option<usize> {
        let mut last = 0;
        for _ in 0..THROWS {
            last = self.throw();
            if is_of_use(last) {
                return Some(last);
            }
        }
        let count = self.0.len();
        (last + 1..last + count).map(|index| index % count).find(|&index| is_of_use(index))
    }

    /// The better of two different servers that are open: the power of two choices.
    ///
    /// Both come by weight, so idle servers share requests by weight; the first one wins a tie.
    pub(super) fn better_of_two(&self, ask: &Ask<'_>, cost: impl Fn(&Candidate) -> f64) -> Option<usize> {
        let first = self.throw_for(|index| ask.is_open(index))?;
        let Some(second) = self.throw_for(|index| index != first && ask.is_open(index)) else {
            return Some(first);
        };
        let cost = |index: usize| cost(&ask.candidates()[index]);
        Some(if cost(second) < cost(first) { second } else { first })
    }
}
