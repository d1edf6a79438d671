//! Spans of time, because a bare `30` has meant seconds, milliseconds and minutes in three neighbouring tools.

use std::fmt;
use std::str::FromStr;
use std::time::Duration as StdDuration;

use thiserror::Error;

/// A span of time: `30s`, `5m`, `1h`, `250ms`, `1h30m`, `0s`.
///
/// Units are `ns`, `us`, `ms`, `s`, `m`, `h`, `d` and `w`, and their long forms (`30 seconds`, `1 day`). Parts add
/// up, fractions are allowed (`1.5h`). A number without a unit is an error, and so are months and years, whose
/// length is a matter of opinion. The longest span is [`Duration::LONGEST`].
///
/// [`Display`](fmt::Display) writes the shortest exact form, `1h30m` and never `90m`; every value that was read
/// reads back from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(StdDuration);

/// Why a text is not a [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidDuration {
    /// A number that could mean any unit.
    #[error("expected a duration with its unit, found `{0}`: write a unit, such as {0}s")]
    NoUnit(String),
    /// A calendar unit, which has no fixed length.
    #[error("`{0}` counts in months or years, whose length varies: write days (`30d`), or `m` for minutes")]
    Calendar(String),
    /// More time than [`Duration::LONGEST`].
    #[error("`{0}` is too long: the longest duration is 36500d")]
    TooLong(String),
    /// Anything else.
    #[error("expected a duration such as 30s, 250ms or 1h30m, found `{0}`")]
    Form(String),
}

/// The units of the written form, longest first.
const UNITS: [(u128, &str); 6] = [
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
];

// === impl Duration ===

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(StdDuration::ZERO);

    /// The longest span that can be written, a hundred years. It keeps `Instant + Duration` from overflowing.
    pub const LONGEST: Self = Self::from_secs(36_500 * 24 * 60 * 60);

    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(StdDuration::from_secs(secs))
    }

    /// A span of whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(StdDuration::from_millis(millis))
    }

    /// The same span, as the standard library has it.
    pub const fn as_std(self) -> StdDuration {
        self.0
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<StdDuration> for Duration {
    fn from(span: StdDuration) -> Self {
        Self(span)
    }
}

impl From<Duration> for StdDuration {
    fn from(span: Duration) -> Self {
        span.0
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let written = || text.to_owned();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(InvalidDuration::NoUnit(written()));
        }
        // humantime adds in a way that may panic close to 2^64 seconds. Six numbers of ten digits, in any unit it
        // knows, stay far below that.
        let digits_per_number =
            text.split(char::is_alphabetic).map(|part| part.bytes().filter(u8::is_ascii_digit).count());
        if text.len() > 64 || digits_per_number.max() > Some(10) {
            return Err(InvalidDuration::TooLong(written()));
        }
        let span = humantime::parse_duration(text).map_err(|_| InvalidDuration::Form(written()))?;
        if has_calendar_unit(text) {
            return Err(InvalidDuration::Calendar(written()));
        }
        if span > Self::LONGEST.0 {
            return Err(InvalidDuration::TooLong(written()));
        }
        Ok(Self(span))
    }
}

/// Whether one of the units in a text that humantime accepts is a month or a year.
fn has_calendar_unit(text: &str) -> bool {
    text.split(|c: char| !c.is_alphabetic())
        .any(|unit| unit == "M" || unit.starts_with("mon") || unit.starts_with('y'))
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0s");
        }
        let mut rest = self.0.as_nanos();
        for (length, unit) in UNITS {
            if rest >= length {
                write!(f, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

crate::text::as_text!(Duration, expected: "a duration with its unit, such as 30s, 250ms or 1h30m", schema: {
    "type": "string",
    "description": "A span of time with its unit: ms, s, m, h, d or w. Parts add up: 1h30m.",
    "examples": ["30s", "250ms", "5m", "1h30m", "0s"],
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        let rows = [
            ("30s", 30_000, "30s"),
            ("5m", 300_000, "5m"),
            ("1h", 3_600_000, "1h"),
            ("250ms", 250, "250ms"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1h 30m", 5_400_000, "1h30m"),
            ("90m", 5_400_000, "1h30m"),
            ("1.5h", 5_400_000, "1h30m"),
            ("2 days", 172_800_000, "48h"),
            ("1s500ms", 1_500, "1s500ms"),
            ("0s", 0, "0s"),
            ("36500d", Duration::LONGEST.as_std().as_millis() as u64, "876000h"),
        ];
        for (text, millis, shown) in rows {
            let read: Duration = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(read, Duration::from_millis(millis), "{text}");
            assert_eq!(read.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        use InvalidDuration as E;
        type Row = (&'static str, fn(String) -> E);
        let rows: [Row; 14] = [
            ("30", E::NoUnit),
            ("0", E::NoUnit),
            ("1.5", E::NoUnit),
            ("", E::Form),
            ("soon", E::Form),
            ("-5s", E::Form),
            ("5q", E::Form),
            ("30s!", E::Form),
            ("5M", E::Calendar),
            ("1year", E::Calendar),
            ("2 months", E::Calendar),
            ("36501d", E::TooLong),
            ("18446744073709551615s1000000000ns", E::TooLong),
            ("1 8446744073 709551615s1000000000ns", E::TooLong),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<Duration>(), Err(error(text.to_owned())), "{text:?}");
        }
        let bare = "30".parse::<Duration>().unwrap_err().to_string();
        assert_eq!(bare, "expected a duration with its unit, found `30`: write a unit, such as 30s");
    }

    #[test]
    fn serde_takes_text_and_explains_a_bare_number() {
        assert_eq!(serde_json::from_str::<Duration>("\"5m\"").unwrap(), Duration::from_secs(300));
        assert_eq!(serde_json::to_string(&Duration::from_secs(90)).unwrap(), "\"1m30s\"");
        let error = serde_json::from_str::<Duration>("30").unwrap_err().to_string();
        assert!(error.contains("write a unit, such as 30s"), "{error}");
        let error = serde_json::from_str::<Duration>("true").unwrap_err().to_string();
        assert!(error.contains("expected a duration with its unit, such as 30s"), "{error}");
    }

    proptest! {
        #[test]
        fn shown_reads_back(nanos in 0..=Duration::LONGEST.as_std().as_nanos() as u64) {
            let span = Duration::from(StdDuration::from_nanos(nanos));
            prop_assert_eq!(span.to_string().parse::<Duration>(), Ok(span));
        }

        #[test]
        fn whatever_reads_reads_back(text in "[0-9a-zµM. -]{0,80}") {
            if let Ok(span) = text.parse::<Duration>() {
                prop_assert_eq!(span.to_string().parse(), Ok(span));
            }
        }
    }
}
