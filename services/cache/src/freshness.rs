//! How old an answer is, and for how long it is good (RFC 9111, 4.2).

use std::time::{Duration, Instant, SystemTime};

use headwall_core::semantics::date;
use http::HeaderMap;
use http::header::{AGE, DATE, EXPIRES};

use crate::directives::Directives;

/// The time that an answer has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    received: Instant,
    /// How old it was when it came.
    initial: Duration,
    lifetime: Duration,
}

/// When a request was sent and its answer had come. The wall clock is asked for what servers write as dates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    pub(crate) wall: SystemTime,
}

// === impl Freshness ===

impl Freshness {
    /// What the head of an answer says. `None` where it says nothing about for how long it is good, and `otherwise` does
    /// not either.
    pub(crate) fn of(
        headers: &HeaderMap,
        directives: &Directives,
        otherwise: Option<Duration>,
        timing: &Timing,
    ) -> Option<Self> {
        let stated = directives.s_maxage.or(directives.max_age).or_else(|| expires(headers, timing.wall));
        let lifetime = stated.or(otherwise)?;
        Some(Self { received: timing.answered, initial: initial_age(headers, timing), lifetime })
    }

    /// An answer that is good for nothing but to be asked about.
    pub(crate) fn none(headers: &HeaderMap, timing: &Timing) -> Self {
        Self { received: timing.answered, initial: initial_age(headers, timing), lifetime: Duration::ZERO }
    }

    /// How old it is (RFC 9111, 4.2.3).
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.initial + now.saturating_duration_since(self.received)
    }

    /// For how long it is good yet; `Err` tells for how long it has not been.
    pub(crate) fn left(&self, now: Instant) -> Result<Duration, Duration> {
        let age = self.age(now);
        // An answer is fresh while its lifetime is greater than its age.
        if self.lifetime > age { Ok(self.lifetime - age) } else { Err(age - self.lifetime) }
    }

    /// When it came.
    pub(crate) fn received(&self) -> Instant {
        self.received
    }
}

impl Timing {
    /// A request is being sent.
    pub(crate) fn begin() -> Self {
        Self { asked: Instant::now(), answered: Instant::now(), wall: SystemTime::now() }
    }

    /// The answer is there.
    pub(crate) fn end(self) -> Self {
        Self { answered: Instant::now(), wall: SystemTime::now(), ..self }
    }
}

/// `Expires` less `Date`. A date that is none lies in the past (RFC 9111, 5.3), and so do two of them.
fn expires(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let mut lines = headers.get_all(EXPIRES).iter();
    let first = lines.next()?;
    if lines.next().is_some() {
        return Some(Duration::ZERO);
    }
    let Some(expires) = date::read(first) else {
        return Some(Duration::ZERO);
    };
    let from = date::of(headers, &DATE).unwrap_or(wall);
    Some(expires.duration_since(from).unwrap_or_default())
}

/// RFC 9111, 4.2.3: whichever makes it older, its date or its `Age`.
fn initial_age(headers: &HeaderMap, timing: &Timing) -> Duration {
    let apparent = date::of(headers, &DATE).and_then(|date| timing.wall.duration_since(date).ok());
    let told = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
    let delay = timing.answered.saturating_duration_since(timing.asked);
    let corrected = Duration::from_secs(told.unwrap_or(0).min(1 << 31)) + delay;
    // Dates have whole seconds: an answer made just now would be up to one second old.
    let apparent = Duration::from_secs(apparent.unwrap_or_default().as_secs());
    apparent.max(corrected)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn head(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn timing() -> Timing {
        let asked = Instant::now();
        Timing { asked, answered: asked, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(NOW) }
    }

    fn at(offset: i64) -> HeaderValue {
        let secs = NOW.checked_add_signed(offset).unwrap();
        date::write(SystemTime::UNIX_EPOCH + Duration::from_secs(secs)).unwrap()
    }

    #[test]
    fn an_answer_is_fresh_for_as_long_as_it_says() {
        let dates = [at(-100), at(100), at(1000)];
        let [past, soon, far] = dates.each_ref().map(|date| date.to_str().unwrap());
        type Head<'a> = &'a [(&'a str, &'a str)];
        let rows: [(Head<'_>, Option<i64>, &str); 14] = [
            (&[], None, "nothing is said"),
            (&[("cache-control", "max-age=60")], Some(60), "max-age"),
            (&[("cache-control", "max-age=60, s-maxage=5")], Some(5), "s-maxage is for shared caches"),
            (&[("expires", soon)], Some(100), "Expires, without Date"),
            (&[("expires", soon), ("date", past)], Some(100), "Expires less Date, and 100 s old"),
            (&[("expires", far), ("cache-control", "max-age=60")], Some(60), "max-age before Expires"),
            (&[("expires", "0")], Some(0), "a date that is none"),
            (&[("expires", past)], Some(0), "a date that is over"),
            (&[("cache-control", "max-age=60"), ("age", "50")], Some(10), "it has been kept before"),
            (&[("cache-control", "max-age=60"), ("age", "61")], Some(-1), "it was stale when it came"),
            (&[("cache-control", "max-age=60"), ("date", past)], Some(-40), "its date tells that it is old"),
            (&[("cache-control", "max-age=60"), ("age", "x")], Some(60), "an age that is none"),
            (&[("cache-control", "max-age=60"), ("date", soon)], Some(60), "a clock that is ahead"),
            (&[("cache-control", "max-age=0")], Some(0), "stale at once"),
        ];
        for (lines, expected, row) in rows {
            let headers = head(lines);
            let timing = timing();
            let found = Freshness::of(&headers, &Directives::of_answer(&headers), None, &timing);
            let left = found.map(|freshness| match freshness.left(timing.answered) {
                Ok(left) => left.as_secs().cast_signed(),
                Err(over) => -over.as_secs().cast_signed(),
            });
            assert_eq!(left, expected, "{row}");
        }
    }

    #[test]
    fn what_the_config_says_counts_where_the_answer_says_nothing() {
        let (timing, hour) = (timing(), Some(Duration::from_secs(3600)));
        let left = |lines: &[(&str, &str)]| {
            let headers = head(lines);
            Freshness::of(&headers, &Directives::of_answer(&headers), hour, &timing)
                .unwrap()
                .left(timing.answered)
        };
        assert_eq!(left(&[]), Ok(Duration::from_secs(3600)));
        assert_eq!(left(&[("cache-control", "max-age=5")]), Ok(Duration::from_secs(5)));
        assert_eq!(left(&[("expires", "never")]), Err(Duration::ZERO));
    }

    proptest! {
        #[test]
        fn an_answer_only_gets_older(max_age in 0u64..5000, age in 0u64..5000, first in 0u64..5000, more in 0u64..5000) {
            let headers = head(&[("cache-control", &format!("max-age={max_age}")), ("age", &age.to_string())]);
            let timing = timing();
            let freshness = Freshness::of(&headers, &Directives::of_answer(&headers), None, &timing).unwrap();
            let at = |secs| timing.answered + Duration::from_secs(secs);
            prop_assert_eq!(freshness.age(at(first)).as_secs(), age + first);
            prop_assert_eq!(freshness.left(at(first)).is_ok(), max_age > age + first);
            prop_assert!(freshness.left(at(first)).is_ok() || freshness.left(at(first + more)).is_err());
        }
    }
}
