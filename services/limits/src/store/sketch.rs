//! Counts in constant memory, for more keys than a table should hold.
//!
//! A count-min sketch (`pingora_limits`) adds each key to four of 65,536 counters and believes the smallest of its
//! four. It only ever counts too much: with `n` requests of all keys in a window, a key's count is too high by more
//! than `n / 24,000` for one key in fifty. So it refuses an innocent key sometimes when very many are about, which a
//! table does not; and it never forgets one, which a full table does. A window slides over two fixed ones, of which
//! the former counts by the part of it that is still in view.

use std::fmt;
use std::time::Duration;

use headwall_core::units::Rate;
use headwall_limit::{Charge, Decision, Key, Quota, Standing};
use pingora_limits::rate::{PROPORTIONAL_RATE_ESTIMATE_CALC_FN, Rate as Window};

/// Requests by key, as far as a sketch can tell.
pub(crate) struct Sketch {
    window: Window,
    seconds: f64,
}

const HASHES: usize = 4;
const SLOTS: usize = 65_536;

impl Sketch {
    /// An empty sketch that looks back as far as the rate says.
    pub(crate) fn new(rate: Rate) -> Result<Self, String> {
        let length = rate.per().length().as_std();
        if length < Duration::from_secs(1) {
            return Err(format!("a sketch looks back by at least a second, and `{rate}` by less"));
        }
        Ok(Self {
            window: Window::new_with_estimator_config(length, HASHES, SLOTS),
            seconds: length.as_secs_f64(),
        })
    }

    /// What a key is allowed in a window: what the rate says, and the burst.
    pub(crate) fn quota(rate: Rate, burst: u32) -> Quota {
        Quota::new(rate, (rate.count() - 1).saturating_add(burst))
    }

    /// Decides on one request of `key`, and charges it as told.
    pub(crate) fn visit(&self, key: Key, quota: &Quota, charge: Charge) -> Decision {
        let rate = self.window.rate_with(&key.to_bits(), PROPORTIONAL_RATE_ESTIMATE_CALC_FN);
        // Nobody makes that many requests in a window, so nothing is lost; a thousandth is the unit of excess.
        let thousandths = (rate * self.seconds * 1_000.0).max(0.0) as u64;
        let before = thousandths.checked_sub(1_000).map(|excess| Standing { excess, elapsed: 0 });
        let decision = Decision::on(*quota, before);
        if charge == Charge::Always || charge == Charge::IfAllowed && !decision.is_reject() {
            self.window.observe(&key.to_bits(), 1);
        }
        decision
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketch").field("seconds", &self.seconds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        Key::address(std::net::IpAddr::V4(n.into()))
    }

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_gets_what_the_rate_says_in_a_window_and_its_burst() {
        for (text, burst, limit) in [("5r/m", 0, 5), ("5r/m", 2, 7), ("100 per 1h", 0, 100)] {
            let sketch = Sketch::new(rate(text)).unwrap();
            let quota = Sketch::quota(rate(text), burst);
            let passed =
                (0..200).filter(|_| !sketch.visit(key(1), &quota, Charge::IfAllowed).is_reject()).count();
            assert_eq!(passed, limit, "{text} and {burst}");
            assert_eq!(quota.limit(), limit as u64);
            assert!(!sketch.visit(key(2), &quota, Charge::Never).is_reject(), "another key, {text}");
        }
    }

    #[test]
    fn a_look_charges_nothing() {
        let sketch = Sketch::new(rate("2r/m")).unwrap();
        let quota = Sketch::quota(rate("2r/m"), 0);
        for _ in 0..10 {
            assert_eq!(sketch.visit(key(1), &quota, Charge::Never).remaining(), 1);
        }
    }

    #[test]
    fn a_hundred_thousand_keys_leave_the_innocent_alone() {
        let sketch = Sketch::new(rate("100r/h")).unwrap();
        let quota = Sketch::quota(rate("100r/h"), 0);
        (0..100_000).for_each(|n| {
            sketch.visit(key(n), &quota, Charge::IfAllowed);
        });
        let refused = (100_000..101_000).filter(|n| sketch.visit(key(*n), &quota, Charge::Never).is_reject());
        assert_eq!(refused.count(), 0);
    }

    #[test]
    fn a_window_of_less_than_a_second_is_refused() {
        assert!(Sketch::new(rate("5 per 500ms")).unwrap_err().contains("at least a second"));
    }
}
