//! What several limits do to one request.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::*;
use crate::clock::FakeClock;
use crate::decision::Verdict;
use crate::quota::Quota;

fn zone(clock: &FakeClock, quota: Quota) -> Zone<FakeClock> {
    Zone::with_clock(quota, NonZeroUsize::new(16).unwrap(), clock.clone())
}

fn quota(rate: &str, burst: u32) -> Quota {
    Quota::new(rate.parse().unwrap(), burst)
}

fn key(n: u32) -> Key {
    Key::address(std::net::IpAddr::V4(n.into()))
}

#[test]
fn no_limits_decide_nothing() {
    assert_eq!(check_all::<FakeClock>(&[]), None);
}

#[test]
fn one_limit_is_a_plain_check() {
    let clock = FakeClock::new();
    let [one, other] = [zone(&clock, quota("5r/m", 1)), zone(&clock, quota("5r/m", 1))];
    for _ in 0..4 {
        assert_eq!(check_all(&[(&one, key(1))]), Some(Ruling { limit: 0, decision: other.check(key(1)) }));
    }
}

#[test]
fn a_rejection_charges_nothing_and_names_its_limit() {
    let clock = FakeClock::new();
    let wide = zone(&clock, quota("1r/s", 9));
    let narrow = zone(&clock, quota("1r/s", 0));
    for (narrow_at, limits) in
        [(1, [(&wide, key(1)), (&narrow, key(1))]), (0, [(&narrow, key(2)), (&wide, key(2))])]
    {
        assert!(!check_all(&limits).unwrap().decision.is_reject(), "narrow at {narrow_at}");
        for _ in 0..5 {
            let ruling = check_all(&limits).unwrap();
            assert!(ruling.decision.is_reject(), "narrow at {narrow_at}");
            assert_eq!(ruling.limit, narrow_at);
            assert_eq!(ruling.decision.retry_after(), Duration::from_secs(1));
        }
        let (_, client) = limits[0];
        assert_eq!(
            wide.check(client).excess(),
            1_000,
            "narrow at {narrow_at}: one request was charged before"
        );
    }
}

#[test]
fn a_rejection_does_not_even_remember_a_new_key() {
    let clock = FakeClock::new();
    let [wide, narrow] = [zone(&clock, quota("1r/s", 9)), zone(&clock, quota("1r/s", 0))];
    narrow.check(key(1));
    assert!(check_all(&[(&wide, key(7)), (&narrow, key(1))]).unwrap().decision.is_reject());
    assert!(wide.is_empty());
}

#[test]
fn the_longest_delay_wins() {
    let clock = FakeClock::new();
    let slow = zone(&clock, quota("1r/s", 9).delay_after(0));
    let fast = zone(&clock, quota("10r/s", 9).delay_after(0));
    for (slow_at, client) in [(0, key(1)), (1, key(2))] {
        let limits = if slow_at == 0 {
            [(&slow, client), (&fast, client)]
        } else {
            [(&fast, client), (&slow, client)]
        };
        check_all(&limits);
        let ruling = check_all(&limits).unwrap();
        assert_eq!(ruling.decision.verdict(), Verdict::Delay(Duration::from_secs(1)), "slow at {slow_at}");
        assert_eq!(ruling.limit, slow_at);
    }
}

#[test]
fn among_equals_the_scarcest_speaks_and_then_the_first() {
    let clock = FakeClock::new();
    let [many, few, also_few] = [9, 2, 2].map(|burst| zone(&clock, quota("1r/s", burst)));
    let rows = [
        (check_all(&[(&many, key(1)), (&few, key(1))]), 1, 2),
        (check_all(&[(&few, key(2)), (&many, key(2))]), 0, 2),
        (check_all(&[(&many, key(3)), (&few, key(3)), (&also_few, key(3))]), 1, 2),
        (check_all(&[(&few, key(4)), (&also_few, key(4)), (&many, key(4))]), 0, 2),
    ];
    for (row, (ruling, limit, remaining)) in rows.into_iter().enumerate() {
        let ruling = ruling.unwrap();
        assert_eq!((ruling.limit, ruling.decision.remaining()), (limit, remaining), "row {row}");
    }
}

#[test]
fn a_zone_given_twice_is_charged_twice_without_a_deadlock() {
    let clock = FakeClock::new();
    let zone = zone(&clock, quota("1r/s", 2));
    check_all(&[(&zone, key(1)), (&zone, key(1))]);
    assert_eq!(zone.check(key(1)).excess(), 2_000);
    assert!(check_all(&[(&zone, key(1)), (&zone, key(1))]).unwrap().decision.is_reject());
}
