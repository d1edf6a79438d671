//! When a certificate is renewed.
//!
//! The CA says so where it can (ARI, RFC 9773): it knows its load and what it has to revoke. Otherwise a certificate is
//! renewed with a third of its lifetime left, which is right for 6 days and for 90.

use std::time::Duration;

use jiff::Timestamp;

use crate::pace::{after, before, until};

/// From when until when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Its first second.
    pub(crate) not_before: Timestamp,
    /// Its last second.
    pub(crate) not_after: Timestamp,
}

/// When the CA would like a certificate to be renewed (RFC 9773 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its beginning.
    pub(crate) start: Timestamp,
    /// Its end.
    pub(crate) end: Timestamp,
}

/// How often the CA is asked for its window when it does not say (RFC 9773 4.3).
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(6 * 60 * 60);

/// The shortest and the longest pause between two such questions that a CA can ask for (RFC 9773 4.3.2).
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 60 * 60));

/// The part of a lifetime over which renewals are spread, so that names obtained together part.
const SPREAD: u32 = 50;

/// Whatever the CA's window says, a renewal begins with this part of the lifetime left, 1 / 20.
const AT_LEAST_LEFT: u32 = 20;

/// When to renew without the CA's word: with a third of the lifetime left, or up to a fiftieth of it earlier, as
/// `random` in 0..1 has it. That may be in the past.
pub(crate) fn by_lifetime(lifetime: Lifetime, random: f64) -> Timestamp {
    let whole = lifetime.length();
    let spread = (whole / SPREAD).mul_f64(random.clamp(0.0, 1.0));
    before(lifetime.not_after, whole / 3 + spread)
}

/// When to renew when the CA has a window: at a random point of it (RFC 9773 4.2), and never so late that a failure
/// could not be mended. That may be in the past, which means at once. A window that ends before it starts is none.
pub(crate) fn by_window(lifetime: Lifetime, window: Window, random: f64) -> Option<Timestamp> {
    let latest = before(lifetime.not_after, lifetime.length() / AT_LEAST_LEFT);
    let is_window = window.start <= window.end;
    is_window.then(|| {
        let length = until(window.end, window.start);
        after(window.start, length.mul_f64(random.clamp(0.0, 1.0))).min(latest)
    })
}

/// How long to wait before the CA is asked for its window again.
pub(crate) fn pause(retry_after: Duration) -> Duration {
    retry_after.clamp(PAUSES.0, PAUSES.1)
}

impl Lifetime {
    /// How long it is altogether.
    pub(crate) fn length(self) -> Duration {
        until(self.not_after, self.not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_second(i64::try_from(1_800_000_000 + seconds).unwrap()).unwrap()
    }

    fn lifetime(seconds: u64) -> Lifetime {
        Lifetime { not_before: at(0), not_after: at(seconds) }
    }

    #[test]
    fn a_third_of_any_lifetime_is_left() {
        let rows = [
            (160 * HOUR, 160 * HOUR * 2 / 3, "a certificate for six days"),
            (45 * DAY, 30 * DAY, "for 45 days"),
            (66 * DAY, 44 * DAY, "for about 64 days"),
            (90 * DAY, 60 * DAY, "for 90 days"),
            (0, 0, "one without a lifetime"),
        ];
        for (whole, expected, message) in rows {
            let latest = by_lifetime(lifetime(whole), 0.0);
            let off = latest.duration_since(at(expected)).as_secs().abs();
            assert!(off <= 1, "{message}: {latest}");
            let earliest = by_lifetime(lifetime(whole), 1.0);
            assert_eq!(until(latest, earliest).as_secs(), whole / 50, "{message}: the spread");
        }
        let backwards = Lifetime { not_before: at(DAY), not_after: at(0) };
        assert_eq!(by_lifetime(backwards, 0.5), at(0), "dates in the wrong order do not make it late");
    }

    #[test]
    fn the_cas_window_overrides() {
        let window = |start: u64, end: u64| Window { start: at(start), end: at(end) };
        let rows = [
            (window(50 * DAY, 52 * DAY), 0.0, Some(50 * DAY), "the window's first second"),
            (window(50 * DAY, 52 * DAY), 0.5, Some(51 * DAY), "its middle"),
            (window(DAY, DAY), 0.7, Some(DAY), "a window of one second"),
            (window(52 * DAY, 50 * DAY), 0.5, None, "a window that ends before it starts"),
            (
                window(200 * DAY, 300 * DAY),
                0.5,
                Some(90 * DAY - 90 * DAY / 20),
                "a window after the certificate's end",
            ),
        ];
        for (window, random, expected, message) in rows {
            assert_eq!(by_window(lifetime(90 * DAY), window, random), expected.map(at), "{message}");
        }
    }

    #[test]
    fn a_ca_is_asked_neither_all_the_time_nor_never() {
        let rows = [(0, 60), (HOUR, HOUR), (30 * DAY, DAY)];
        for (asked, expected) in rows {
            assert_eq!(pause(Duration::from_secs(asked)), Duration::from_secs(expected), "{asked} s");
        }
    }
}
