//! Rates of requests, in nginx's form and in the sliding-window form, with nginx's arithmetic behind both.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use thiserror::Error;

use crate::Duration;

/// Requests in a time: `10r/s`, `5r/m`, `100r/h`, or `100 per 1m`.
///
/// `5r/m` spreads: one request in twelve seconds, and a burst is asked for separately, as in nginx. `5 per 1m`
/// allows five in any order within a minute, as a sliding window does: its [implied burst](Self::implied_burst)
/// is four. Two rates are equal when they are written alike; `60r/m` is not `1r/s`.
///
/// A rate that exists can be counted: its [`milli_per_second`](Self::milli_per_second) is never zero and fits 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    per: Per,
    milli_per_second: NonZeroU32,
}

/// The time over which a [`Rate`] counts, and the form in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    /// `10r/s`
    Second,
    /// `5r/m`
    Minute,
    /// `100r/h`
    Hour,
    /// `100 per 1m`: a window of this length.
    Window(Duration),
}

/// Why a text is not a [`Rate`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidRate {
    /// Neither of the two forms.
    #[error("expected a rate such as 5r/m, 10r/s or `100 per 1m`, found `{0}`")]
    Form(String),
    /// No requests, or no time.
    #[error("`{0}` lets nothing pass: a rate is at least one request in some time")]
    Zero(String),
    /// Less than a thousandth of a request per second.
    #[error(
        "`{written}` is too slow to count in thousandths of a request per second: the slowest is `{slowest}`"
    )]
    TooSlow {
        /// The rate as written.
        written: String,
        /// The slowest rate that works over the same time.
        slowest: String,
    },
    /// More thousandths of a request per second than 32 bits can count, 4294967 requests per second.
    #[error("`{0}` is too fast: the fastest rate is 4294967r/s")]
    TooFast(String),
}

// === impl Rate ===

impl Rate {
    /// `count` requests over the time that `per` says.
    ///
    /// # Errors
    ///
    /// When the rate is below one or above `u32::MAX` thousandths of a request per second, or its window is empty.
    pub fn new(count: NonZeroU32, per: Per) -> Result<Self, InvalidRate> {
        let written = || Written { count: count.get(), per }.to_string();
        let nanos = per.length().as_std().as_nanos();
        let thousandths = u128::from(count.get()) * 1_000 * 1_000_000_000;
        let milli_per_second = thousandths.checked_div(nanos).ok_or_else(|| InvalidRate::Zero(written()))?;
        let milli_per_second =
            u32::try_from(milli_per_second).map_err(|_| InvalidRate::TooFast(written()))?;
        match NonZeroU32::new(milli_per_second) {
            Some(milli_per_second) => Ok(Self { count, per, milli_per_second }),
            None => Err(InvalidRate::TooSlow { written: written(), slowest: slowest(per) }),
        }
    }

    /// The number of requests, as written.
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// The time over which they are counted, and so the form that was written.
    pub const fn per(self) -> Per {
        self.per
    }

    /// Thousandths of a request per second, rounded down: nginx's unit and nginx's rounding, never zero.
    ///
    /// `10r/s` is 10000, `5r/m` is 83 (so really 4.98 a minute), `1r/m` is 16. Rounding bites the slowest rates:
    /// `4r/h` and `7r/h` are both 1, which is 3.6 an hour; from `100r/h` (27) on, the loss is below 3 %.
    pub const fn milli_per_second(self) -> u32 {
        self.milli_per_second.get()
    }

    /// How many requests the written form allows at once beyond the first: none for `5r/m`, four for `5 per 1m`.
    ///
    /// A limiter with this burst passes a whole window's count at once and then refills at the rate. It approximates
    /// a sliding window from above: right after an idle window, almost twice the count fits into one window's time.
    pub const fn implied_burst(self) -> u32 {
        match self.per {
            Per::Second | Per::Minute | Per::Hour => 0,
            Per::Window(_) => self.count.get() - 1,
        }
    }
}

/// The slowest rate over `per` that still counts, as one would write it.
fn slowest(per: Per) -> String {
    let thousandth = per.length().as_std().as_nanos().div_ceil(1_000 * 1_000_000_000);
    Written { count: thousandth, per }.to_string()
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || InvalidRate::Form(text.to_owned());
        let (count, per) = if let Some((count, window)) = text.split_once(" per ") {
            (count, Per::Window(window.parse().map_err(|_| form())?))
        } else if let Some((count, interval)) = text.split_once("r/") {
            let per = match interval {
                "s" => Per::Second,
                "m" => Per::Minute,
                "h" => Per::Hour,
                _ => return Err(form()),
            };
            (count, per)
        } else {
            return Err(form());
        };
        if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(form());
        }
        let count: u32 = count.parse().map_err(|_| InvalidRate::TooFast(text.to_owned()))?;
        let count = NonZeroU32::new(count).ok_or_else(|| InvalidRate::Zero(text.to_owned()))?;
        Self::new(count, per)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Written { count: self.count, per: self.per }.fmt(f)
    }
}

crate::text::as_text!(Rate, expected: "a rate such as 5r/m, 10r/s or `100 per 1m`", schema: {
    "type": "string",
    "description": "Requests in a time: 10r/s, 5r/m, 100r/h, or `100 per 1m` for a window that may be used up at once.",
    "examples": ["10r/s", "5r/m", "100r/h", "100 per 1m", "5 per 10s"],
});

// === impl Per ===

impl Per {
    /// The time over which requests are counted.
    pub const fn length(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3_600),
            Self::Window(length) => length,
        }
    }
}

/// The one spelling of a count over a time, shared by rates and by errors about rates that cannot exist.
struct Written<C> {
    count: C,
    per: Per,
}

impl<C: fmt::Display> fmt::Display for Written<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = &self.count;
        match self.per {
            Per::Second => write!(f, "{count}r/s"),
            Per::Minute => write!(f, "{count}r/m"),
            Per::Hour => write!(f, "{count}r/h"),
            Per::Window(length) => write!(f, "{count} per {length}"),
        }
    }
}

#[cfg(test)]
mod tests;
