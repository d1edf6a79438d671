//! Many threads on one key: none may slip through between another's look and its charge.

use std::sync::Barrier;
use std::thread;

use super::*;
use crate::joint::check_all;

const THREADS: usize = 8;
const REQUESTS: usize = 2_000;

/// Runs `request` on every thread at once, with a number that counts up, and tells how often it was let through.
fn passes(request: impl Fn(usize) -> bool + Sync) -> usize {
    let start = Barrier::new(THREADS);
    let work = || {
        start.wait();
        (0..REQUESTS).filter(|n| request(*n)).count()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn while_time_stands_the_limit_is_exact() {
    let (zone, _) = zone(quota("10r/s", 100), 1_000);
    assert_eq!(passes(|_| !zone.check(key(1)).is_reject()), 101);
}

#[test]
fn while_time_runs_the_limit_and_the_refill_bound_it() {
    let (zone, clock) = zone(quota("10r/s", 100), 1_000);
    let through = passes(|_| {
        clock.advance(millis(1));
        !zone.check(key(1)).is_reject()
    });
    let refilled = clock.now().get() / 100;
    let bound = 101 + usize::try_from(refilled).unwrap();
    assert!(through <= bound, "{through} of at most {bound}");
    assert!(through > 101, "the refill was used");
}

#[test]
fn limits_in_opposite_order_do_not_deadlock_and_the_last_is_exact() {
    let (one, _) = zone(quota("10r/s", 100), 1_000);
    let (other, _) = zone(quota("10r/s", 10_000_000), 1_000);
    let through = passes(|n| {
        let (client, _) = (key(1), n);
        !check_all(&[(&other, client), (&one, client)]).unwrap().decision.is_reject()
    });
    assert_eq!(through, 101);
    let either_way = passes(|n| {
        let limits = [(&one, key(2)), (&other, key(2))];
        let limits = if n % 2 == 0 { limits } else { [limits[1], limits[0]] };
        !check_all(&limits).unwrap().decision.is_reject()
    });
    assert!((101..101 + THREADS).contains(&either_way), "{either_way}");
}
