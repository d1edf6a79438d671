//! Whose turn it is.
//!
//! Smooth weighted round robin, as nginx has it, worked out beforehand: the order repeats after as many requests as
//! the weights add up to, so it is computed when the set of healthy servers changes, and a request only counts one
//! further. No lock, and no server gets its share in one burst.

use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

/// Turns among servers that are known by their index.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    order: ArcSwap<Vec<u16>>,
    next: AtomicUsize,
}

impl Turns {
    /// From now on these servers take turns: index and weight of each.
    pub(crate) fn set(&self, servers: &[(u16, u32)]) {
        self.order.store(smooth(servers).into());
    }

    /// The server whose turn it is, not one that `was_tried` if that can be. `None` when there is no server at all.
    ///
    /// A further attempt takes no turn of its own. If it did, then of two servers the dead one would be everybody's first
    /// choice again.
    pub(crate) fn take(&self, is_retry: bool, was_tried: impl Fn(u16) -> bool) -> Option<u16> {
        let order = self.order.load();
        if order.is_empty() {
            return None;
        }
        let start = self.next.fetch_add(u32::from(!is_retry) as usize, Ordering::Relaxed);
        let nth = |n: usize| order[(start.wrapping_add(n)) % order.len()];
        if !is_retry {
            return Some(nth(0));
        }
        let untried = (0..order.len()).map(nth).find(|&server| !was_tried(server));
        Some(untried.unwrap_or_else(|| nth(0)))
    }
}

/// One round: each turn goes to the server that has waited longest for its share.
fn smooth(servers: &[(u16, u32)]) -> Vec<u16> {
    let divisor = servers.iter().fold(0, |divisor, &(_, weight)| gcd(divisor, weight)).max(1);
    let total: i64 = servers.iter().map(|&(_, weight)| i64::from(weight / divisor)).sum();
    let mut credit = vec![0_i64; servers.len()];
    let turn = |_| {
        for (credit, &(_, weight)) in credit.iter_mut().zip(servers) {
            *credit += i64::from(weight / divisor);
        }
        // The first of equals, so that the order of writing decides.
        let best = (0..servers.len()).rev().max_by_key(|&index| credit[index])?;
        credit[best] -= total;
        Some(servers[best].0)
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
        assert_eq!(smooth(&[(0, 5), (1, 1), (2, 1)]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(smooth(&[(0, 1), (1, 1)]), [0, 1]);
        assert_eq!(smooth(&[(0, 50), (7, 100)]), [7, 0, 7], "common factors do not lengthen the round");
        assert_eq!(smooth(&[]), [0_u16; 0]);
    }

    #[test]
    fn a_server_that_was_tried_is_passed_over_while_there_is_another() {
        let turns = Turns::default();
        assert_eq!(turns.take(false, |_| false), None);
        turns.set(&[(0, 1), (1, 1), (2, 1)]);
        for _ in 0..10 {
            assert_eq!(turns.take(true, |server| server != 1), Some(1));
        }
        assert!(turns.take(true, |_| true).is_some(), "all were tried: any is better than none");
        let first: Vec<_> = (0..3).filter_map(|_| turns.take(false, |_| true)).collect();
        assert_eq!(first, [0, 1, 2], "a further attempt has taken no turn");
    }
}
