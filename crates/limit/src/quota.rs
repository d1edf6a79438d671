//! How much one key may do: a rate, a burst beyond it, and how much of the burst passes at once.
//!
//! Everything is an integer in thousandths of a request and milliseconds, rounded down where nginx rounds down.

use std::time::Duration;

use headwall_units::Rate;

/// The allowance of one key, as in nginx's `limit_req zone=… rate=… burst=… [nodelay | delay=…]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Thousandths of a request per second; a `Rate` is never zero.
    rate: u64,
    /// How far ahead of the rate a key may be, in thousandths.
    burst: u64,
    /// Up to which excess a request is not delayed, in thousandths; all of the burst by default.
    undelayed: u64,
}

/// One request, in the unit of all sums.
pub(crate) const REQUEST: u64 = 1_000;

impl Quota {
    /// `rate`, and `burst` requests beyond it that pass at once (nginx's `nodelay`): a fresh key has `burst + 1`.
    ///
    /// For a rate that was written as a window, `100 per 1m`, the burst that gives its meaning is
    /// [`Rate::implied_burst`].
    pub fn new(rate: Rate, burst: u32) -> Self {
        Self { rate: rate.milli_per_second().into(), burst: u64::from(burst) * REQUEST, undelayed: u64::MAX }
    }

    /// The same allowance, but only `requests` of the burst pass at once; the others are delayed until the rate has
    /// caught up. `delay_after(0)` is what nginx does when neither `nodelay` nor `delay=` is written.
    #[must_use]
    pub fn delay_after(self, requests: u32) -> Self {
        Self { undelayed: u64::from(requests) * REQUEST, ..self }
    }

    /// The most requests that pass at once, `burst + 1`: the `q` of a `RateLimit-Policy` field.
    pub fn limit(&self) -> u64 {
        self.burst / REQUEST + 1
    }

    /// The rate in thousandths of a request per second, for a store that counts elsewhere.
    pub const fn milli_per_second(&self) -> u64 {
        self.rate
    }

    /// The burst in thousandths of a request, for a store that counts elsewhere.
    pub const fn burst_milli(&self) -> u64 {
        self.burst
    }

    /// The time in which a key that has used all of its limit gets all of it back: the `w` of a `RateLimit-Policy`
    /// field, once rounded up to seconds.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.wait_for(self.burst + REQUEST))
    }

    /// Whether a request at this excess may pass.
    pub(crate) const fn allows(&self, excess: u64) -> bool {
        excess <= self.burst
    }

    /// How many more requests would pass at once after one at this excess.
    pub(crate) const fn remaining(&self, excess: u64) -> u64 {
        self.burst.saturating_sub(excess) / REQUEST
    }

    /// The excess beyond which nothing passes.
    pub(crate) const fn burst(&self) -> u64 {
        self.burst
    }

    /// What `elapsed` milliseconds give back, rounded down.
    pub(crate) const fn refill(&self, elapsed: u64) -> u64 {
        // A product beyond 64 bits is far more than any burst, and so is what saturation leaves of it.
        self.rate.saturating_mul(elapsed) / 1_000
    }

    /// The fewest milliseconds that give back `amount`: the inverse of [`refill`](Self::refill).
    pub(crate) const fn wait_for(&self, amount: u64) -> u64 {
        (amount * 1_000).div_ceil(self.rate)
    }

    /// How many milliseconds a passing request at this excess has to wait, rounded down.
    pub(crate) const fn delay(&self, excess: u64) -> u64 {
        excess.saturating_sub(self.undelayed) * 1_000 / self.rate
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota(rate: &str, burst: u32) -> Quota {
        Quota::new(rate.parse().unwrap(), burst)
    }

    #[test]
    fn tells_its_policy() {
        let rows = [
            ("5r/m", 2, 3, 36_145),
            ("10r/s", 0, 1, 100),
            ("10r/s", 20, 21, 2_100),
            ("4r/h", 0, 1, 1_000_000),
        ];
        for (rate, burst, limit, window) in rows {
            let quota = quota(rate, burst);
            assert_eq!(quota.limit(), limit, "{rate} burst={burst}");
            assert_eq!(quota.window(), Duration::from_millis(window), "{rate} burst={burst}");
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let slow = quota("4r/h", u32::MAX).delay_after(0);
        let fast = quota("4294967r/s", u32::MAX);
        assert_eq!(slow.wait_for(slow.burst() + REQUEST), 4_294_967_296_000 * 1_000);
        assert_eq!(slow.delay(slow.burst()), 4_294_967_295_000 * 1_000);
        assert!(fast.refill(u64::MAX) > fast.burst());
        assert!(fast.refill(1 << 61) > fast.burst(), "a product that would wrap to zero");
    }

    proptest! {
        #[test]
        fn waiting_gives_just_enough(milli in 1_u32..100_000, amount in 1_u64..1_000_000_000) {
            let rate = format!("{milli} per 1000s").parse().unwrap();
            let quota = Quota::new(rate, 0);
            let wait = quota.wait_for(amount);
            prop_assert!(quota.refill(wait) >= amount);
            prop_assert!(quota.refill(wait - 1) < amount);
        }
    }
}
