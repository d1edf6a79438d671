//! Lockouts on paper: tables of what happens when, and random histories beside a naive model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const WINDOW: u64 = 600;
const LOCKOUT: u64 = 60;
const LONGEST: u64 = 480;

fn rule(failures: usize, again: usize, distinct: bool) -> Rule {
    let seconds = Duration::from_secs;
    Rule {
        failures,
        again,
        distinct,
        window: seconds(WINDOW),
        lockout: seconds(LOCKOUT),
        longest: seconds(LONGEST),
    }
}

fn key(n: u32) -> Key {
    Key::address(std::net::IpAddr::V4(n.into()))
}

fn at(seconds: u64) -> Millis {
    Millis::new(seconds * 1_000)
}

/// An attempt that is answered at once.
fn attempt(record: &mut Record, rule: &Rule, second: u64, settlement: Settlement) -> Option<u64> {
    assert_eq!(record.admit(rule, at(second)), Ok(()), "at {second}");
    record.settle(rule, at(second), settlement).map(|lockout| lockout.as_secs())
}

fn fail(record: &mut Record, rule: &Rule, second: u64, by: u32) -> Option<u64> {
    attempt(record, rule, second, Settlement::Failed { by: key(by) })
}

fn succeed(record: &mut Record, rule: &Rule, second: u64, by: u32) {
    attempt(record, rule, second, Settlement::Succeeded { by: key(by) });
}

/// Fails until a lockout begins.
fn fail_into_a_lockout(record: &mut Record, rule: &Rule, second: u64, by: u32) -> u64 {
    (0..100).find_map(|_| fail(record, rule, second, by)).unwrap()
}

#[test]
fn the_last_failure_that_is_allowed_begins_the_lockout() {
    let (mut record, rule) = (Record::default(), rule(3, 3, false));
    assert_eq!(fail(&mut record, &rule, 0, 1), None);
    assert_eq!(fail(&mut record, &rule, 1, 1), None);
    assert_eq!(fail(&mut record, &rule, 2, 1), Some(LOCKOUT));
    assert_eq!(record.admit(&rule, at(2)), Err(Refusal::Locked(Duration::from_secs(60))));
    assert_eq!(record.admit(&rule, at(61)), Err(Refusal::Locked(Duration::from_secs(1))));
    assert_eq!(record.admit(&rule, at(62)), Ok(()));
}

#[test]
fn failures_count_for_as_long_as_the_window() {
    let (mut record, rule) = (Record::default(), rule(3, 3, false));
    for second in [0, 100, 600, 700, 1_200, 1_300] {
        assert_eq!(fail(&mut record, &rule, second, 1), None, "never three within ten minutes: {second}");
    }
    assert_eq!(fail(&mut record, &rule, 1_301, 1), Some(LOCKOUT), "1200, 1300 and 1301");
}

#[test]
fn lockouts_double_up_to_the_longest_and_are_remembered_as_long_as_they_lasted() {
    let (mut record, rule) = (Record::default(), rule(2, 2, false));
    let mut second = 0;
    for expected in [60, 120, 240, 480, 480, 480] {
        assert_eq!(fail_into_a_lockout(&mut record, &rule, second, 1), expected);
        second += expected + WINDOW - 1;
    }
    assert_eq!(fail_into_a_lockout(&mut record, &rule, second, 1), 480, "it was not quiet for a window");
    second += 480 + WINDOW;
    assert_eq!(fail_into_a_lockout(&mut record, &rule, second, 1), 60, "and now it was");

    let long = Rule { longest: Duration::from_secs(86_400), ..rule };
    let mut record = Record { lockouts: 11, remembered_until: at(1), ..Record::default() };
    assert_eq!(fail_into_a_lockout(&mut record, &long, 0, 1), 86_400);
    assert_eq!(record.remembered_until, at(2 * 86_400), "a day is held against it for another");
    assert_eq!(long.length(4_000_000_000), Duration::from_secs(86_400), "no overflow");
}

#[test]
fn further_lockouts_can_take_fewer_failures() {
    let (mut record, rule) = (Record::default(), rule(5, 1, false));
    assert_eq!(fail_into_a_lockout(&mut record, &rule, 0, 1), 60);
    assert_eq!(fail(&mut record, &rule, 60, 1), Some(120));
    assert_eq!(fail(&mut record, &rule, 180, 2), Some(240));
}

#[test]
fn attempts_under_way_count_as_failed() {
    let (mut record, rule) = (Record::default(), rule(3, 1, false));
    fail(&mut record, &rule, 0, 1);
    let admitted = (0..1_000).filter(|_| record.admit(&rule, at(1)) == Ok(())).count();
    assert_eq!(admitted, 2, "one has failed already");
    record.settle(&rule, at(2), Settlement::Withdrawn);
    assert_eq!(record.admit(&rule, at(2)), Ok(()), "whose answer nobody knows gives its place back");
    assert_eq!(record.admit(&rule, at(2)), Err(Refusal::Busy));
    assert_eq!(record.settle(&rule, at(3), Settlement::Failed { by: key(1) }), None);
    assert_eq!(record.settle(&rule, at(3), Settlement::Failed { by: key(1) }), Some(Duration::from_secs(60)));
    assert_eq!(record.admit(&rule, at(63)), Ok(()));
    assert_eq!(record.admit(&rule, at(63)), Err(Refusal::Busy), "one at a time, because one is enough now");
}

#[test]
fn a_success_takes_back_the_failures_of_its_own_pair() {
    let rule = rule(3, 3, false);
    let mut record = Record::default();
    fail(&mut record, &rule, 0, 1);
    fail(&mut record, &rule, 0, 1);
    succeed(&mut record, &rule, 1, 1);
    assert_eq!(record, Record::default(), "a slip of the pen");

    fail(&mut record, &rule, 2, 1);
    fail(&mut record, &rule, 2, 1);
    succeed(&mut record, &rule, 3, 2);
    assert_eq!(fail(&mut record, &rule, 4, 1), Some(60), "an account of one's own does not help");
}

#[test]
fn a_success_undoes_lockouts_only_if_they_were_all_its_own() {
    let rule = rule(2, 2, false);
    let mut alone = Record::default();
    fail_into_a_lockout(&mut alone, &rule, 0, 1);
    succeed(&mut alone, &rule, 60, 1);
    assert_eq!(fail_into_a_lockout(&mut alone, &rule, 61, 1), 60, "it began anew");

    let mut mixed = Record::default();
    fail(&mut mixed, &rule, 0, 2);
    assert_eq!(fail(&mut mixed, &rule, 0, 1), Some(60));
    succeed(&mut mixed, &rule, 60, 1);
    assert_eq!(fail_into_a_lockout(&mut mixed, &rule, 61, 1), 120, "it did not");

    let mut later = Record::default();
    fail_into_a_lockout(&mut later, &rule, 0, 1);
    fail(&mut later, &rule, 60, 2);
    succeed(&mut later, &rule, 61, 1);
    assert_eq!(fail(&mut later, &rule, 62, 2), Some(120), "nor while another's failure stands");
}

#[test]
fn where_parties_count_once_it_is_their_number_that_matters() {
    let (mut record, rule) = (Record::default(), rule(3, 3, true));
    for second in 0..50 {
        assert_eq!(fail(&mut record, &rule, second, (second % 2) as u32), None, "two, over and over");
    }
    assert_eq!(fail(&mut record, &rule, 50, 2), Some(60), "a third");
    for by in 0..2 {
        fail(&mut record, &rule, 110, by);
    }
    succeed(&mut record, &rule, 111, 0);
    assert_eq!(fail(&mut record, &rule, 112, 2), None, "who got in after all does not count");
}

#[test]
fn a_stricter_rule_leaves_room_for_one() {
    let mut record = Record::default();
    for second in 0..4 {
        fail(&mut record, &rule(5, 5, false), second, 1);
    }
    assert_eq!(fail(&mut record, &rule(2, 2, false), 5, 1), Some(60));
}

#[test]
fn a_record_matters_until_nothing_of_it_counts() {
    let rule = rule(2, 2, false);
    let mut record = Record::default();
    assert_eq!(record.matters_until(&rule, at(5)), at(5), "a blank one does not");
    assert_eq!(record.admit(&rule, at(5)), Ok(()));
    assert!(record.matters_until(&rule, at(5)) > at(WINDOW), "somebody is in");
    record.settle(&rule, at(6), Settlement::Failed { by: key(1) });
    assert_eq!(record.matters_until(&rule, at(6)), at(6 + WINDOW));
    fail(&mut record, &rule, 7, 1);
    assert_eq!(record.matters_until(&rule, at(7)), at(7 + LOCKOUT + WINDOW));
}

/// The same, from everything that ever happened.
#[derive(Default)]
struct Model {
    failures: Vec<(u64, u32)>,
    lockouts: Vec<(u64, u64)>,
    guilty: BTreeSet<u32>,
    in_flight: usize,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Admit,
    Fail(u32),
    Succeed(u32),
    Withdraw,
    Wait(u64),
}

impl Model {
    fn recall(&mut self, now: u64) {
        self.failures.retain(|(at, _)| now - at < WINDOW);
        let held = self.lockouts.last().is_some_and(|(at, length)| now < at + length + (*length).max(WINDOW));
        if !held {
            self.lockouts.clear();
            self.guilty.clear();
        }
    }

    fn limit(&self, rule: &Rule) -> usize {
        if self.lockouts.is_empty() { rule.failures } else { rule.again }
    }

    fn admit(&mut self, rule: &Rule, now: u64) -> Result<(), Refusal> {
        self.recall(now);
        match self.lockouts.last() {
            Some((at, length)) if now < at + length => {
                Err(Refusal::Locked(Duration::from_secs(at + length - now)))
            }
            _ if self.failures.len() + self.in_flight >= self.limit(rule) => Err(Refusal::Busy),
            _ => {
                self.in_flight += 1;
                Ok(())
            }
        }
    }

    fn fail(&mut self, rule: &Rule, now: u64, by: u32) -> Option<u64> {
        self.recall(now);
        self.in_flight -= 1;
        if rule.distinct {
            self.failures.retain(|(_, other)| *other != by);
        }
        self.failures.push((now, by));
        if self.failures.len() < self.limit(rule) {
            return None;
        }
        self.guilty.extend(self.failures.drain(..).map(|(_, by)| by));
        let length = LONGEST.min(LOCKOUT << self.lockouts.len().min(20));
        self.lockouts.push((now, length));
        Some(length)
    }

    fn succeed(&mut self, now: u64, by: u32) {
        self.recall(now);
        self.in_flight -= 1;
        self.failures.retain(|(_, other)| *other != by);
        if self.failures.is_empty() && self.guilty == BTreeSet::from([by]) {
            self.lockouts.clear();
            self.guilty.clear();
        }
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        5 => Just(Event::Admit),
        5 => (0_u32..3).prop_map(Event::Fail),
        1 => (0_u32..3).prop_map(Event::Succeed),
        1 => Just(Event::Withdraw),
        2 => (0_u64..100).prop_map(Event::Wait),
        1 => (0_u64..1_500).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 0..120)
}

proptest! {
    #[test]
    fn random_histories_are_as_the_model_says(
        (failures, again) in (1_usize..6).prop_flat_map(|failures| (Just(failures), 1..=failures)),
        distinct: bool,
        events in events(),
    ) {
        let rule = rule(failures, again, distinct);
        let (mut record, mut model, mut now) = (Record::default(), Model::default(), 0);
        for event in events {
            match event {
                Event::Wait(seconds) => now += seconds,
                Event::Admit => prop_assert_eq!(record.admit(&rule, at(now)), model.admit(&rule, now)),
                _ if model.in_flight == 0 => {}
                Event::Fail(by) => {
                    let lockout = record.settle(&rule, at(now), Settlement::Failed { by: key(by) });
                    prop_assert_eq!(lockout.map(|lockout| lockout.as_secs()), model.fail(&rule, now, by));
                }
                Event::Succeed(by) => {
                    record.settle(&rule, at(now), Settlement::Succeeded { by: key(by) });
                    model.succeed(now, by);
                }
                Event::Withdraw => {
                    record.settle(&rule, at(now), Settlement::Withdrawn);
                    model.in_flight -= 1;
                }
            }
            prop_assert_eq!(record.in_flight, model.in_flight);
        }
        // Forgotten at that moment, it is as good as new.
        let then = record.matters_until(&rule, at(now));
        let mut later = record.clone();
        if record.in_flight == 0 {
            later.forget(&rule, then);
            prop_assert!(later.failures.is_empty() && later.lockouts == 0 && later.locked_until <= then);
        }
    }

    /// Whatever is tried, and however much of it at once, guesses are bounded.
    #[test]
    fn guesses_are_bounded(failures in 1_usize..6, again in 1_usize..6, bursts in prop::collection::vec(1_usize..50, 1..60)) {
        let rule = rule(failures, again, false);
        let (mut record, mut guesses, lasts) = (Record::default(), 0, bursts.len());
        for (second, burst) in bursts.into_iter().enumerate() {
            let now = at(second as u64);
            let admitted = (0..burst).filter(|_| record.admit(&rule, now) == Ok(())).count();
            for _ in 0..admitted {
                record.settle(&rule, now, Settlement::Failed { by: key(1) });
            }
            guesses += admitted;
        }
        prop_assert!(lasts <= LOCKOUT as usize);
        prop_assert!(guesses <= failures, "{guesses} guesses within a minute");
    }
}
