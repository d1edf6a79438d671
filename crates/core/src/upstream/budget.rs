//! How many requests of an upstream are being sent a second time.
//!
//! When a server fails under its load, repeating everything doubles the load. So only a share of the requests of the last
//! seconds may be repeated, and a handful at any time, without which a quiet upstream could repeat none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// How many seconds are looked back on.
const WINDOW: u64 = 10;
/// So many may be under way at once, however few requests there were.
const AT_ONCE: u32 = 3;

/// The requests of the last seconds, and how many of them were repeated. No lock: what is lost when two threads begin a
/// second at the same moment is a count or two.
#[derive(Debug)]
pub(crate) struct Budget {
    since: Instant,
    seconds: [Second; WINDOW as usize],
    under_way: AtomicU32,
}

/// One second's numbers.
#[derive(Debug, Default)]
struct Second {
    /// Which second, counted from 1; what is older is out of date.
    number: AtomicU64,
    requests: AtomicU32,
    repeated: AtomicU32,
}

/// A repetition that is under way.
#[derive(Debug)]
pub(crate) struct Repetition(Arc<Budget>);

// === impl Budget ===

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, seconds: Default::default(), under_way: AtomicU32::new(0) }
    }

    /// A request is there.
    pub(crate) fn request(&self, now: Instant) {
        self.second(now).requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks whether one may be repeated, where `percent` of them may.
    pub(crate) fn repeat(self: &Arc<Self>, now: Instant, percent: u32) -> Option<Repetition> {
        let (requests, repeated) = self.counted(now);
        let is_within_share = (repeated + 1) * 100 <= requests * u64::from(percent);
        let take = |under_way: u32| (under_way < AT_ONCE || is_within_share).then_some(under_way + 1);
        self.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        self.second(now).repeated.fetch_add(1, Ordering::Relaxed);
        Some(Repetition(self.clone()))
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.since).as_secs() + 1
    }

    /// The numbers of this second, which begin at nothing.
    fn second(&self, now: Instant) -> &Second {
        let number = self.number(now);
        let second = &self.seconds[(number % WINDOW) as usize];
        let before = second.number.load(Ordering::Relaxed);
        let is_first = before < number
            && second.number.compare_exchange(before, number, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first {
            second.requests.store(0, Ordering::Relaxed);
            second.repeated.store(0, Ordering::Relaxed);
        }
        second
    }

    fn counted(&self, now: Instant) -> (u64, u64) {
        let number = self.number(now);
        let recent = |second: &&Second| second.number.load(Ordering::Relaxed) + WINDOW > number;
        self.seconds.iter().filter(recent).fold((0, 0), |(requests, repeated), second| {
            let count = |count: &AtomicU32| u64::from(count.load(Ordering::Relaxed));
            (requests + count(&second.requests), repeated + count(&second.repeated))
        })
    }
}

// === impl Repetition ===

impl Drop for Repetition {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn budget() -> (Arc<Budget>, Instant) {
        let now = Instant::now();
        (Arc::new(Budget::new(now)), now)
    }

    #[test]
    fn a_fifth_may_be_repeated_and_three_at_once_in_any_case() {
        for (requests, percent, expected) in
            [(0, 20, 3), (10, 20, 3), (15, 20, 3), (20, 20, 4), (100, 20, 20), (100, 0, 3), (10, 100, 10)]
        {
            let (budget, now) = budget();
            (0..requests).for_each(|_| budget.request(now));
            let granted: Vec<_> = std::iter::from_fn(|| budget.repeat(now, percent)).take(1000).collect();
            assert_eq!(granted.len(), expected, "{percent} % of {requests}");
        }
    }

    #[test]
    fn what_is_over_makes_room() {
        let (budget, now) = budget();
        for _ in 0..100 {
            let three: Vec<_> = (0..3).map(|_| budget.repeat(now, 20).unwrap()).collect();
            assert!(budget.repeat(now, 20).is_none());
            drop(three);
        }
    }

    #[test]
    fn requests_are_forgotten_after_ten_seconds() {
        let (budget, start) = budget();
        (0..100).for_each(|_| budget.request(start));
        for (seconds, requests) in [(0, 100), (9, 100), (10, 0), (1000, 0)] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(budget.counted(now).0, requests, "after {seconds} s");
        }
    }

    proptest! {
        /// Whatever comes in whatever order: no more than the share are repeated, three under way aside.
        #[test]
        fn the_share_is_kept(steps in prop::collection::vec((0..3_u8, 0..400_u64), 1..400)) {
            let (budget, mut now) = budget();
            let (mut held, mut requests, mut beyond) = (Vec::new(), 0_u64, 0_u64);
            let mut repeated = 0_u64;
            for (step, millis) in steps {
                now += Duration::from_millis(millis);
                match step {
                    0 => { budget.request(now); requests += 1; }
                    1 => if let Some(repetition) = budget.repeat(now, 20) {
                        repeated += 1;
                        beyond += u64::from(held.len() < AT_ONCE as usize);
                        held.push(repetition);
                    },
                    _ => { held.pop(); }
                }
                prop_assert_eq!(budget.under_way.load(Ordering::Relaxed) as usize, held.len());
                prop_assert!(repeated - beyond <= requests / 5, "{} of {}", repeated, requests);
            }
        }
    }
}
