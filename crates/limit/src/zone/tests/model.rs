//! A zone against the plainest possible model: nginx's formula in signed integers, over a map that never forgets.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::decision::Verdict;

#[derive(Debug)]
struct Model {
    rate: i64,
    burst: i64,
    delay: i64,
    accounts: HashMap<u32, (i64, i64)>,
}

/// What the model and the zone are compared by.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Pass { excess: i64, delay: i64 },
    Reject { excess: i64 },
}

impl Model {
    fn check(&mut self, key: u32, now: i64) -> Answer {
        let Some((last_excess, last)) = self.accounts.get_mut(&key) else {
            self.accounts.insert(key, (0, now));
            return Answer::Pass { excess: 0, delay: 0 };
        };
        let mut ms = now - *last;
        if ms < -60_000 {
            ms = 1;
        } else if ms < 0 {
            ms = 0;
        }
        let excess = (*last_excess - self.rate * ms / 1_000 + 1_000).max(0);
        if excess > self.burst {
            return Answer::Reject { excess };
        }
        *last_excess = excess;
        if ms != 0 {
            *last = now;
        }
        let delay = if excess <= self.delay { 0 } else { (excess - self.delay) * 1_000 / self.rate };
        Answer::Pass { excess, delay }
    }
}

fn answer(decision: Decision) -> Answer {
    let excess = decision.excess() as i64;
    match decision.verdict() {
        Verdict::Pass => Answer::Pass { excess, delay: 0 },
        Verdict::Delay(delay) => Answer::Pass { excess, delay: delay.as_millis() as i64 },
        Verdict::Reject { .. } => Answer::Reject { excess },
    }
}

prop_compose! {
    /// A quota and the model of it: rates from 1r/h upwards, delayed or not.
    fn quotas()(count in 4_u32..100_000, burst in 0_u32..20, delay in prop::option::of(0_u32..20)) -> (Quota, Model) {
        let rate: headwall_units::Rate = format!("{count}r/h").parse().unwrap();
        let quota = Quota::new(rate, burst);
        let model = Model {
            rate: i64::from(count) * 1_000 / 3_600,
            burst: i64::from(burst) * 1_000,
            delay: delay.map_or(i64::MAX, |delay| i64::from(delay) * 1_000),
            accounts: HashMap::new(),
        };
        (delay.map_or(quota, |delay| quota.delay_after(delay)), model)
    }
}

/// Steps of the clock: mostly none or short, sometimes long enough to drain and to sweep.
fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 4 => 0_u64..2_000, 2 => 0_u64..100_000, 1 => 0_u64..4_000_000]
}

proptest! {
    /// Sweeping goes on behind the scenes here, and must not show.
    #[test]
    fn many_keys_and_a_clock_that_runs(
        (quota, mut model) in quotas(),
        steps in prop::collection::vec((pauses(), 0_u32..6), 1..200),
    ) {
        let (zone, clock) = zone(quota, 100);
        for (pause, n) in steps {
            clock.advance(millis(pause));
            prop_assert_eq!(answer(zone.check(key(n))), model.check(n, clock.now().get() as i64));
        }
        prop_assert_eq!(zone.evictions(), 0);
    }

    #[test]
    fn one_key_and_a_clock_that_jumps(
        (quota, mut model) in quotas(),
        steps in prop::collection::vec((pauses(), 0_u64..100_000), 1..200),
    ) {
        let (zone, clock) = zone(quota, 100);
        clock.advance(millis(100_000_000));
        for (pause, jump) in steps {
            clock.advance(millis(pause));
            clock.rewind(millis(jump));
            prop_assert_eq!(answer(zone.check(key(0))), model.check(0, clock.now().get() as i64));
        }
    }

    /// The numbers of a decision are promises; each is called in.
    #[test]
    fn numbers_come_true(
        (quota, _) in quotas(),
        pauses in prop::collection::vec(pauses(), 1..50),
        promise in 0..4,
    ) {
        let (zone, clock) = zone(quota, 100);
        let mut decision = zone.check(key(0));
        for pause in pauses {
            clock.advance(millis(pause));
            decision = zone.check(key(0));
        }
        let passing = || std::iter::repeat_with(|| zone.check(key(0))).take_while(|d| !d.is_reject()).count() as u64;
        match promise {
            0 => prop_assert_eq!(passing(), decision.remaining(), "remaining"),
            1 => {
                clock.advance(decision.reset());
                prop_assert_eq!(passing(), decision.limit(), "reset");
            }
            2 => {
                clock.advance(decision.retry_after());
                prop_assert!(!zone.check(key(0)).is_reject(), "retry_after is enough");
            }
            _ => {
                if let Some(just_before) = decision.retry_after().checked_sub(millis(1)) {
                    clock.advance(just_before);
                    prop_assert!(zone.check(key(0)).is_reject(), "retry_after is not too long");
                }
            }
        }
    }
}
