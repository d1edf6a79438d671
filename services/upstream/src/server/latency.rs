//! How long a server takes to answer: an exponentially weighted moving average that jumps to peaks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How fast the past is forgotten: to a third in this time, in seconds.
const MEMORY: f64 = 10.0;

/// A latency that many can read and write at once, in one word.
pub(crate) struct Latency {
    since: Instant,
    /// The seconds as `f32` in the upper half, and in the lower one when that was, in milliseconds from `since` and never 0.
    /// All zero is a server that has not answered yet.
    word: AtomicU64,
}

impl Latency {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), word: AtomicU64::new(0) }
    }

    /// An answer, or a failure, has taken this long.
    pub(crate) fn take_in(&self, took: Duration, now: Instant) {
        let (took, stamp) = (took.as_secs_f64(), self.stamp(now));
        let next = |word| {
            let average = match decayed(word, stamp) {
                Some((average, kept)) if took < average => average * kept + took * (1.0 - kept),
                // A peak counts at once, and so does the first answer.
                Some(_) | None => took,
            };
            Some(u64::from((average as f32).to_bits()) << 32 | u64::from(stamp))
        };
        // It never gives up, so there is no error.
        self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
    }

    /// The latency in seconds, as far as it is remembered; none before the first answer.
    pub(crate) fn at(&self, now: Instant) -> Option<f64> {
        decayed(self.word.load(Ordering::Relaxed), self.stamp(now)).map(|(average, kept)| average * kept)
    }

    fn stamp(&self, now: Instant) -> u32 {
        // 49 days on, everything is one moment, and nothing is forgotten any more but by new answers: so it turns over.
        (now.saturating_duration_since(self.since).as_millis() as u32).max(1)
    }
}

/// The average that a word has, and how much of it is still remembered.
fn decayed(word: u64, stamp: u32) -> Option<(f64, f64)> {
    if word == 0 {
        return None;
    }
    let average = f64::from(f32::from_bits((word >> 32) as u32));
    // Another worker may have been here with a later clock: then no time has passed.
    let passed = stamp.wrapping_sub(word as u32);
    let passed = if passed > u32::MAX / 2 { 0 } else { passed };
    Some((average, (-f64::from(passed) / (MEMORY * 1000.0)).exp()))
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Latency").field(&self.at(Instant::now())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rise_counts_at_once_and_is_forgotten_slowly() {
        let latency = Latency::new();
        assert_eq!(latency.at(Instant::now()), None, "nothing is known yet");
        let ms = Duration::from_millis;
        let about = |expected: f64, what: &str| {
            let found = latency.at(Instant::now()).unwrap();
            assert!((found - expected).abs() < expected * 0.02, "{what}: {found} is not about {expected}");
        };
        latency.take_in(ms(10), Instant::now());
        about(0.010, "the first answer");
        latency.take_in(ms(500), Instant::now());
        about(0.500, "a peak");
        latency.take_in(ms(10), Instant::now());
        about(0.500, "one fast answer in the same moment weighs nothing");
        tokio::time::advance(Duration::from_secs(10)).await;
        about(0.500 / std::f64::consts::E, "the memory fades");
        latency.take_in(ms(10), Instant::now());
        about(0.500 / std::f64::consts::E + 0.010 * (1.0 - 1.0 / std::f64::consts::E), "an answer mixes in");
    }
}
