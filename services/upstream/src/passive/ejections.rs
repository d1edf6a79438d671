//! Who is passed over, and until when.
//!
//! Pure: the time is told, and servers are whatever tells them apart. After Envoy's outlier detection: the time grows with each
//! ejection, and is forgotten again by a server that serves well; and only a share of the servers is ejected, because when
//! all of them fail, then it is not the servers.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// How long, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The first time.
    pub(super) base: Duration,
    /// At most.
    pub(super) longest: Duration,
    /// In percent.
    pub(super) max_share: u32,
}

/// The servers that were ejected lately.
#[derive(Debug)]
pub(super) struct Ejections<K>(HashMap<K, Stay>);

#[derive(Debug, Clone, Copy)]
struct Stay {
    /// How often, less what is forgotten.
    count: u32,
    /// When it is over, or has been.
    until: Instant,
    is_out: bool,
}

impl<K: Eq + Hash + Clone> Ejections<K> {
    /// Ejects one of `all`: until when. None if it is ejected already or has to stay in use.
    pub(super) fn eject(&mut self, who: &K, all: &[K], rules: &Rules, now: Instant) -> Option<Instant> {
        // Whoever is no longer there takes nobody's place.
        self.0.retain(|known, _| all.contains(known));
        let out = self.0.values().filter(|stay| stay.is_out).count();
        let share = all.len() * rules.max_share as usize / 100;
        let most = share.max(1).min(all.len().saturating_sub(1));
        let before = self.0.get(who);
        if out >= most || !all.contains(who) || before.is_some_and(|stay| stay.is_out) {
            return None;
        }
        let count = before.map_or(0, |stay| stay.remembered(rules, now)) + 1;
        let until = now + (rules.base * count).min(rules.longest);
        self.0.insert(who.clone(), Stay { count, until, is_out: true });
        Some(until)
    }

    /// Ends an ejection whose time is over. Whether there was one.
    pub(super) fn release(&mut self, who: &K, now: Instant) -> bool {
        let stay = self.0.get_mut(who).filter(|stay| stay.is_out && stay.until <= now);
        stay.map(|stay| stay.is_out = false).is_some()
    }

    /// Ends an ejection before its time. Whether there was one.
    pub(super) fn pardon(&mut self, who: &K, now: Instant) -> bool {
        let stay = self.0.get_mut(who).filter(|stay| stay.is_out);
        stay.map(|stay| (stay.is_out, stay.until) = (false, now)).is_some()
    }

    /// How often it was ejected lately, and until when it is.
    pub(super) fn record(&self, who: &K) -> (u32, Option<Instant>) {
        let stay = self.0.get(who);
        stay.map_or((0, None), |stay| (stay.count, stay.is_out.then_some(stay.until)))
    }
}

impl<K> Default for Ejections<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl Stay {
    /// One ejection is forgotten for each base time in which there was no other.
    fn remembered(&self, rules: &Rules, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.until);
        let forgotten = since.as_millis() / rules.base.as_millis().max(1);
        // What was too long for the longest time counts no further.
        let most = (rules.longest.as_millis() / rules.base.as_millis().max(1)).max(1);
        let count = self.count.min(u32::try_from(most).unwrap_or(u32::MAX));
        count.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules =
        Rules { base: Duration::from_secs(10), longest: Duration::from_secs(60), max_share: 50 };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_share_of_the_servers_is_ejected_and_never_the_last() {
        // Servers, share, how many may be out at the same time.
        let rows = [(1, 100, 0), (2, 100, 1), (2, 10, 1), (3, 50, 1), (4, 50, 2), (4, 100, 3), (10, 0, 1)];
        for (servers, max_share, most) in rows {
            let all: Vec<u32> = (0..servers).collect();
            let rules = Rules { max_share, ..RULES };
            let mut ejections = Ejections::default();
            let now = Instant::now();
            let out = all.iter().filter(|&who| ejections.eject(who, &all, &rules, now).is_some()).count();
            assert_eq!(out, most, "{max_share} % of {servers}");
        }
    }

    #[test]
    fn each_time_is_longer_and_good_conduct_is_rewarded() {
        let all = [1, 2];
        let mut ejections = Ejections::default();
        let mut now = Instant::now();
        for expected in [10, 20, 30, 40, 50, 60, 60, 60] {
            let until = ejections.eject(&1, &all, &RULES, now).unwrap();
            assert_eq!(until - now, seconds(expected));
            assert!(!ejections.release(&1, until - seconds(1)), "not before its time");
            assert!(ejections.release(&1, until), "then");
            assert!(!ejections.release(&1, until), "once");
            now = until;
        }
        now += seconds(45);
        let until = ejections.eject(&1, &all, &RULES, now).unwrap();
        assert_eq!(
            until - now,
            seconds(30),
            "of six, four are forgotten after 45 seconds, and this is one more"
        );
        assert!(ejections.pardon(&1, now), "before its time");
        assert_eq!(ejections.record(&1), (3, None));
        let until = ejections.eject(&1, &all, &RULES, now).unwrap();
        assert_eq!(until - now, seconds(40), "a pardon forgets nothing");
    }

    #[test]
    fn who_is_gone_takes_nobodys_place() {
        let mut ejections = Ejections::default();
        let now = Instant::now();
        assert!(ejections.eject(&1, &[1, 2], &RULES, now).is_some());
        assert!(ejections.eject(&2, &[1, 2], &RULES, now).is_none(), "the other is out already");
        assert!(ejections.eject(&2, &[2, 3], &RULES, now).is_some(), "the other is gone");
        assert!(ejections.eject(&7, &[2, 3], &RULES, now).is_none(), "who is nobody cannot be ejected");
    }

    proptest! {
        #[test]
        fn there_is_always_somebody_left(
            servers in 1_u32..12,
            max_share in 0_u32..=100,
            steps in proptest::collection::vec((0_u32..12, 0_u8..3, 0_u64..30), 0..200),
        ) {
            let all: Vec<u32> = (0..servers).collect();
            let rules = Rules { max_share, ..RULES };
            let most = (servers * max_share / 100).max(1).min(servers - 1);
            let mut ejections = Ejections::default();
            let mut now = Instant::now();
            for (who, what, passed) in steps {
                let who = who % servers;
                now += seconds(passed);
                let (_, until) = ejections.record(&who);
                match what {
                    0 => {
                        let ejected = ejections.eject(&who, &all, &rules, now);
                        prop_assert!(ejected.is_none() || until.is_none(), "nobody is ejected twice");
                        let time = ejected.map(|until| until - now);
                        prop_assert!(time.is_none_or(|time| time >= rules.base && time <= rules.longest));
                    }
                    1 => prop_assert_eq!(ejections.release(&who, now), until.is_some_and(|until| until <= now)),
                    _ => prop_assert_eq!(ejections.pardon(&who, now), until.is_some()),
                }
                let out = all.iter().filter(|who| ejections.record(who).1.is_some()).count();
                prop_assert!(out <= most as usize, "{} of {} are out, and {} may be", out, servers, most);
            }
        }
    }
}
