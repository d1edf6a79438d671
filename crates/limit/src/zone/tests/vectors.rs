//! nginx's own answers, on a clock in the hand: time in milliseconds, verdict, excess in thousandths of a request.

use super::*;
use crate::decision::Verdict;
use Step::{Delayed, Passed, Rejected, RejectedAt};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// At this time a request passes with this excess; `None` where the table gives no number.
    Passed(u64, Option<u64>),
    /// At this time a request passes after this delay.
    Delayed(u64, u64),
    /// At this time a request is rejected.
    Rejected(u64),
    /// The same, and this would have been its excess.
    RejectedAt(u64, u64),
}

fn replay(name: &str, quota: Quota, steps: impl IntoIterator<Item = Step>) {
    let (zone, clock) = zone(quota, 16);
    let client = key(1);
    for (row, step) in steps.into_iter().enumerate() {
        let (Passed(at, _) | Delayed(at, _) | Rejected(at) | RejectedAt(at, _)) = step;
        clock.advance(millis(at - clock.now().get()));
        let decision = zone.check(client);
        let what = format!("{name}, row {row}, {step:?}: {decision:?}");
        match step {
            Passed(_, excess) => {
                assert_eq!(decision.verdict(), Verdict::Pass, "{what}");
                assert_eq!(decision.excess(), excess.unwrap_or(decision.excess()), "{what}");
            }
            Delayed(_, delay) => assert_eq!(decision.verdict(), Verdict::Delay(millis(delay)), "{what}"),
            Rejected(_) => assert!(decision.is_reject(), "{what}"),
            RejectedAt(_, excess) => {
                assert!(decision.is_reject(), "{what}");
                assert_eq!(decision.excess(), excess, "{what}");
            }
        }
    }
}

#[test]
fn five_a_minute_with_a_burst_of_two() {
    replay(
        "5r/m burst=2 nodelay",
        quota("5r/m", 2),
        [
            Passed(0, Some(0)),
            Passed(0, Some(1_000)),
            Passed(0, Some(2_000)),
            RejectedAt(0, 3_000),
            RejectedAt(5_000, 2_585),
            RejectedAt(12_000, 2_004),
            RejectedAt(12_047, 2_001),
            RejectedAt(12_048, 2_001),
            Passed(12_049, Some(2_000)),
            Rejected(12_060),
            RejectedAt(24_096, 2_001),
            Passed(24_120, Some(1_999)),
            Passed(36_200, Some(1_997)),
            Rejected(36_201),
        ],
    );
}

#[test]
fn ten_a_second_with_a_burst_of_twenty() {
    let burst = (0..=20).map(|n| Passed(0, Some(n * 1_000)));
    let rest = [
        RejectedAt(0, 21_000),
        RejectedAt(99, 20_010),
        Passed(100, Some(20_000)),
        RejectedAt(101, 20_990),
        Passed(200, Some(20_000)),
        Rejected(250),
        Passed(300, Some(20_000)),
    ];
    replay("10r/s burst=20 nodelay", quota("10r/s", 20), burst.chain(rest));
}

#[test]
fn ten_a_second_delaying_a_burst_of_twenty() {
    replay(
        "10r/s burst=20",
        quota("10r/s", 20).delay_after(0),
        [
            Passed(0, Some(0)),
            Delayed(0, 100),
            Delayed(0, 200),
            Delayed(0, 300),
            Delayed(0, 400),
            Delayed(50, 450),
        ],
    );
}

#[test]
fn ten_a_second_without_a_burst() {
    for (name, quota) in [("nodelay", quota("10r/s", 0)), ("delay", quota("10r/s", 0).delay_after(0))] {
        replay(name, quota, [Passed(0, Some(0)), Rejected(50), Rejected(99), Passed(100, Some(0))]);
    }
}

#[test]
fn ten_a_second_delaying_what_exceeds_eight() {
    let at_once = (0..=8).map(|n| Passed(0, Some(n * 1_000)));
    let delayed = (1..=12).map(|n| Delayed(0, n * 100));
    replay(
        "10r/s burst=20 delay=8",
        quota("10r/s", 20).delay_after(8),
        at_once.chain(delayed).chain([RejectedAt(0, 21_000)]),
    );
}

#[test]
fn thirty_a_minute_delaying_what_exceeds_one() {
    replay(
        "30r/m delay=1 burst=2",
        quota("30r/m", 2).delay_after(1),
        [Passed(0, Some(0)), Passed(0, Some(1_000)), Delayed(0, 2_000), RejectedAt(0, 3_000)],
    );
}

#[test]
fn rejects_are_not_counted() {
    let rejects = (1..=99).map(Rejected);
    replay(
        "10r/s",
        quota("10r/s", 0),
        [Passed(0, Some(0))].into_iter().chain(rejects).chain([Passed(100, Some(0))]),
    );
}

#[test]
fn a_long_rest_earns_no_more_than_the_limit() {
    let rested = [Passed(3_600_000, Some(0)), Passed(3_600_000, Some(1_000)), RejectedAt(3_600_000, 2_000)];
    replay("1r/s burst=1", quota("1r/s", 1), [Passed(0, Some(0))].into_iter().chain(rested));
}

#[test]
fn keys_do_not_share() {
    let (zone, _) = zone(quota("5r/m", 0), 16);
    let one = Key::address("2001:db8::1".parse().unwrap());
    let same_network = Key::address("2001:db8::2".parse().unwrap());
    let other_network = Key::address("2001:db8:0:1::1".parse().unwrap());
    assert!(!zone.check(one).is_reject());
    assert!(zone.check(same_network).is_reject(), "one /64 is one client");
    assert!(!zone.check(other_network).is_reject());
}

#[test]
fn a_clock_set_back_does_not_lock_a_client_out() {
    let (zone, clock) = zone(quota("1r/s", 1), 16);
    clock.advance(millis(1_000_000));
    zone.check(key(1));
    clock.rewind(millis(500_000));
    assert_eq!(
        zone.check(key(1)).excess(),
        999,
        "one millisecond's worth was given back, and the time noted"
    );
    clock.advance(millis(999));
    assert_eq!(zone.check(key(1)).excess(), 1_000, "time counts from the new now on");
}
