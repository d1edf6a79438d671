//! When to try again after a failure.
//!
//! Soon at first, because most failures are a port not yet open or a record not yet spread; seldom later, because a CA
//! counts failures. The waits are Caddy's.

use std::time::Duration;

use crate::pace::RetrySchedule;

/// The longest wait that a CA can ask for. Let's Encrypt's longest window is a week.
const LONGEST: Duration = Duration::from_secs(7 * DAY);

/// After failing for this long, a name is most likely given up.
const MONTH: Duration = Duration::from_secs(30 * DAY);

/// How far a wait may differ from the schedule, as a part of it, so that many names do not come back together.
const JITTER: f64 = 0.1;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl RetrySchedule {
    /// How long to wait after the `failures`-th failure in a row, the first being 1, when the first was `failing` ago.
    /// `asked` is what the CA asked for (Retry-After), which holds when it is longer, up to a week. `random` is in
    /// 0..1 and moves the scheduled wait by up to a tenth.
    pub fn wait(&self, failures: u32, failing: Duration, asked: Option<Duration>, random: f64) -> Duration {
        let nth = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let scheduled = match self.first.get(nth) {
            Some(wait) => *wait,
            None if failing < MONTH => self.then,
            None => self.finally,
        };
        let scheduled = scheduled.mul_f64(1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0));
        asked.map_or(scheduled, |asked| scheduled.max(asked.min(LONGEST)))
    }
}

impl Default for RetrySchedule {
    /// 1 min, 2 min twice, 5 min, 10 min three times, 20 min four times, 30 min six times, 1 h three times, 2 h twice,
    /// 3 h twice, then every 6 h, and after a month once a day.
    fn default() -> Self {
        let steps: [(u64, usize); 9] = [
            (MINUTE, 1),
            (2 * MINUTE, 2),
            (5 * MINUTE, 1),
            (10 * MINUTE, 3),
            (20 * MINUTE, 4),
            (30 * MINUTE, 6),
            (HOUR, 3),
            (2 * HOUR, 2),
            (3 * HOUR, 2),
        ];
        let waits = steps
            .iter()
            .flat_map(|(seconds, times)| std::iter::repeat_n(Duration::from_secs(*seconds), *times));
        Self {
            first: waits.collect(),
            then: Duration::from_secs(6 * HOUR),
            finally: Duration::from_secs(DAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    #[test]
    fn waits_grow_as_caddys_do() {
        let schedule = RetrySchedule::default();
        let minutes = [
            1, 2, 2, 5, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30, 30, 30, 60, 60, 60, 120, 120, 180, 180,
            360, 360,
        ];
        for (nth, minutes) in minutes.into_iter().enumerate() {
            let failures = u32::try_from(nth).unwrap() + 1;
            let wait = schedule.wait(failures, Duration::from_secs(60), None, MIDDLE);
            assert_eq!(wait, Duration::from_secs(minutes * MINUTE), "after failure {failures}");
        }
        let wait = schedule.wait(200, MONTH, None, MIDDLE);
        assert_eq!(
            wait,
            Duration::from_secs(DAY),
            "after a month it is tried once a day, and never given up"
        );
    }

    #[test]
    fn chance_moves_a_wait_by_a_tenth() {
        let schedule = RetrySchedule::default();
        let rows =
            [(0.0, 54.0, "the shortest"), (MIDDLE, 60.0, "the middle"), (0.999_999, 66.0, "the longest")];
        for (random, seconds, message) in rows {
            let wait = schedule.wait(1, Duration::ZERO, None, random).as_secs_f64();
            assert!((wait - seconds).abs() < 0.01, "{message}: {wait}");
        }
    }

    #[test]
    fn what_the_ca_asks_for_holds_when_it_is_longer() {
        let schedule = RetrySchedule::default();
        let rows = [
            (10, 60, "shorter than the schedule"),
            (3600, 3600, "longer than the schedule"),
            (400 * DAY, 7 * DAY, "longer than any real window"),
        ];
        for (asked, expected, message) in rows {
            let wait = schedule.wait(1, Duration::ZERO, Some(Duration::from_secs(asked)), MIDDLE);
            assert_eq!(wait, Duration::from_secs(expected), "{message}");
        }
    }
}
