//! Smooth weighted round robin, as nginx has it, worked out beforehand.
//!
//! The order repeats after as many requests as the weights add up to, so it is computed when the servers change, and a
//! request only counts one further. No lock, and no server gets its share in one burst.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Ask, Candidate, Pick, Policy};

/// The longest order. Weights that would need a longer one are rounded.
const LONGEST: u32 = 1 << 14;

/// Turns.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    /// Goes on when the servers change, so that a server which flaps does not bring the first one every first turn.
    next: Arc<AtomicUsize>,
}

/// Turns among certain servers.
struct Order {
    turns: Vec<u16>,
    next: Arc<AtomicUsize>,
}

impl Policy for RoundRobin {
    fn prepare(&self, candidates: &[Candidate]) -> Box<dyn Pick> {
        let weights: Vec<_> = candidates.iter().map(Candidate::weight).collect();
        Box::new(Order { turns: smooth(&weights), next: self.next.clone() })
    }
}

impl Pick for Order {
    /// A further attempt takes no turn of its own. If it did, then of two servers the dead one would be everybody's first
    /// choice again.
    fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        let start = self.next.fetch_add(usize::from(!ask.is_retry()), Ordering::Relaxed);
        let nth = |n: usize| usize::from(self.turns[start.wrapping_add(n) % self.turns.len()]);
        (0..self.turns.len()).map(nth).find(|&index| ask.is_open(index))
    }
}

/// One round: each turn goes to the server that has waited longest for its share.
fn smooth(weights: &[u32]) -> Vec<u16> {
    let divisor = weights.iter().fold(0, |divisor, &weight| gcd(divisor, weight)).max(1);
    let coarseness = weights.iter().map(|weight| weight / divisor).sum::<u32>() / LONGEST + 1;
    let weights: Vec<_> =
        weights.iter().map(|weight| i64::from((weight / divisor / coarseness).max(1))).collect();
    let total: i64 = weights.iter().sum();
    let mut credit = vec![0_i64; weights.len()];
    let turn = |_| {
        for (credit, weight) in credit.iter_mut().zip(&weights) {
            *credit += weight;
        }
        // The first of equals, so that the order of writing decides.
        let best = (0..weights.len()).rev().max_by_key(|&index| credit[index])?;
        credit[best] -= total;
        u16::try_from(best).ok()
    };
    (0..total).map_while(turn).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_weights_without_bursts() {
        // The example of nginx's own commit: 5, 1, 1 gives a a b a c a a.
        assert_eq!(smooth(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(smooth(&[100, 100]), [0, 1], "common factors do not lengthen the round");
        assert_eq!(smooth(&[50, 100]), [1, 0, 1]);
        assert_eq!(smooth(&[]), [0_u16; 0]);
    }

    #[test]
    fn the_order_is_of_bounded_length() {
        let weights: Vec<_> = (0..200).map(|n| 10_000 - n * 7).collect();
        let order = smooth(&weights);
        assert!(order.len() <= LONGEST as usize, "{}", order.len());
        assert!((0..200).all(|server| order.contains(&server)), "and everybody is in it");
    }
}
