//! What a zone remembers of one key, and the arithmetic of one request against it.
//!
//! The rules are those of nginx's `ngx_http_limit_req_module.c`, in the same integers. With `elapsed` the
//! milliseconds since the account was last written:
//!
//! ```text
//! excess = max(0, account - rate * elapsed / 1000 + 1000)
//! excess > burst    rejected; nothing is written
//! otherwise         passes; account = excess, and the time is noted unless elapsed is 0
//! ```
//!
//! The first request of a key has excess 0, so `burst + 1` requests pass at once.

use crate::clock::Millis;
use crate::decision::{Decision, Standing};
use crate::quota::{Quota, REQUEST};

/// How far a key was ahead of its rate, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    excess: u64,
    last: Millis,
}

/// What a look at an account may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Nothing: the first phase of a joint check.
    Never,
    /// The account, if the request passes.
    IfAllowed,
    /// The account, because the request has been found to pass already: the second phase of a joint check.
    Always,
}

/// How long an account rests before it may be forgotten.
const IDLE: u64 = 60_000;

/// A clock that is back by more than this has been set, and counts as one that moved by a millisecond.
const CLOCK_WAS_SET: i64 = -60_000;

impl Account {
    /// The account of a key that has just made its first request.
    pub(crate) const fn open(now: Millis) -> Self {
        Self { excess: 0, last: now }
    }

    /// Decides on a request at `now`, and charges it as told.
    pub(crate) fn check(&mut self, quota: &Quota, now: Millis, charge: Charge) -> Decision {
        let standing = Standing { excess: self.excess, elapsed: self.elapsed(now) };
        let excess = standing.one_more(quota);
        let allowed = quota.allows(excess) || charge == Charge::Always;
        if !allowed {
            return Decision::reject(*quota, excess, standing);
        }
        if charge != Charge::Never {
            self.excess = excess;
            if standing.elapsed != 0 {
                self.last = now;
            }
        }
        Decision::pass(*quota, excess)
    }

    /// Whether the key has been quiet for so long that it stands as if it had never come.
    pub(crate) const fn is_idle(&self, quota: &Quota, now: Millis) -> bool {
        self.elapsed(now) >= IDLE && self.is_dead(quota, now)
    }

    /// Whether the key has been given everything back, so that to forget it cannot change an answer.
    pub(crate) const fn is_dead(&self, quota: &Quota, now: Millis) -> bool {
        quota.refill(self.elapsed(now)) >= self.excess + REQUEST
    }

    /// Milliseconds since the last write. A clock that went back a little, as one thread sees another's, gives
    /// nothing; one that was set back gives one millisecond, which lets the time be written anew.
    const fn elapsed(&self, now: Millis) -> u64 {
        match now.since(self.last) {
            forward @ 0.. => forward.cast_unsigned(),
            CLOCK_WAS_SET..0 => 0,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_back() {
        let quota = Quota::new("1r/s".parse().unwrap(), 9);
        let rows = [
            ("one millisecond back: no refill, the time stays", 99_999, 1_000, 100_000),
            ("a minute back: the same", 40_000, 1_000, 100_000),
            ("more than a minute back: one millisecond, the time is set", 39_999, 999, 39_999),
            ("no time at all", 100_000, 1_000, 100_000),
            ("one millisecond on", 100_001, 999, 100_001),
        ];
        for (what, now, excess, last) in rows {
            let mut account = Account { excess: 0, last: Millis::new(100_000) };
            let decision = account.check(&quota, Millis::new(now), Charge::IfAllowed);
            assert_eq!(decision.excess(), excess, "{what}");
            assert_eq!((account.excess, account.last), (excess, Millis::new(last)), "{what}");
        }
    }

    #[test]
    fn what_is_written() {
        let quota = Quota::new("1r/s".parse().unwrap(), 1);
        let rows = [
            ("a look that would pass", 0, Charge::Never, 0),
            ("a request that passes", 0, Charge::IfAllowed, 1_000),
            ("a request that does not", 1_000, Charge::IfAllowed, 1_000),
            ("a request that passed before another took its place", 1_000, Charge::Always, 2_000),
        ];
        for (what, before, charge, after) in rows {
            let mut account = Account { excess: before, last: Millis::new(0) };
            account.check(&quota, Millis::new(0), charge);
            assert_eq!(account.excess, after, "{what}");
        }
    }

    #[test]
    fn idle_means_as_good_as_new() {
        let rows = [
            ("5r/m", 0, 59_999, false, "too soon"),
            ("5r/m", 0, 60_000, true, "a minute"),
            ("5r/m", 4_000, 60_240, false, "a thousandth is left"),
            ("5r/m", 4_000, 60_241, true, "drained"),
            ("4r/h", 0, 999_999, false, "a slow rate drains slowly"),
            ("4r/h", 0, 1_000_000, true, "until it has drained"),
        ];
        for (rate, excess, now, idle, what) in rows {
            let quota = Quota::new(rate.parse().unwrap(), 9);
            let account = Account { excess, last: Millis::new(0) };
            assert_eq!(account.is_idle(&quota, Millis::new(now)), idle, "{rate} at {now}: {what}");
        }
    }
}
