//! The answer to one request, with the numbers that a reply may tell the client.

use std::time::Duration;

use crate::quota::{Quota, REQUEST};

/// What a zone says about one request of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    verdict: Verdict,
    quota: Quota,
    /// Of this request, whether or not it passes.
    excess: u64,
    /// What the key stands at after this request.
    standing: Standing,
}

/// What to do with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it pass. It is charged.
    Pass,
    /// Let it pass after this time. It is charged already.
    Delay(Duration),
    /// Refuse it. It is not charged: however often a client tries, it waits no longer.
    Reject {
        /// The time until a request of this key would pass, exact to the millisecond if no other comes before.
        retry_after: Duration,
    },
}

/// What a key stands at before a request: an excess, and the time that has worked on it since it was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How far the key was ahead of its rate, in thousandths of a request.
    pub excess: u64,
    /// Milliseconds since then.
    pub elapsed: u64,
}

// === impl Decision ===

impl Decision {
    /// Decides on a request of a key that is kept elsewhere, such as in a store that several servers share; `None` for
    /// a key that nobody has seen before. The rules are those of a [`Zone`](crate::Zone). Nothing is charged by this.
    pub fn on(quota: Quota, before: Option<Standing>) -> Self {
        let Some(standing) = before else { return Self::pass(quota, 0) };
        let excess = standing.one_more(&quota);
        if quota.allows(excess) { Self::pass(quota, excess) } else { Self::reject(quota, excess, standing) }
    }

    /// The request passes, at once or later, at this excess.
    pub(crate) const fn pass(quota: Quota, excess: u64) -> Self {
        let verdict = match quota.delay(excess) {
            0 => Verdict::Pass,
            millis => Verdict::Delay(Duration::from_millis(millis)),
        };
        Self { verdict, quota, excess, standing: Standing { excess, elapsed: 0 } }
    }

    /// The request would have this excess, which is too much; the key stays where it stands.
    pub(crate) const fn reject(quota: Quota, excess: u64, standing: Standing) -> Self {
        let verdict = Verdict::Reject { retry_after: standing.until(&quota, quota.burst()) };
        Self { verdict, quota, excess, standing }
    }

    /// What to do with the request.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether the request is refused.
    pub const fn is_reject(&self) -> bool {
        matches!(self.verdict, Verdict::Reject { .. })
    }

    /// How long the request has to wait before it passes; zero when it passes at once or not at all.
    pub const fn delay(&self) -> Duration {
        match self.verdict {
            Verdict::Delay(delay) => delay,
            Verdict::Pass | Verdict::Reject { .. } => Duration::ZERO,
        }
    }

    /// How far this request is ahead of the rate, in thousandths of a request: the number that nginx logs.
    pub const fn excess(&self) -> u64 {
        self.excess
    }

    /// The most requests that pass at once for a key that has been idle, `burst + 1`.
    pub fn limit(&self) -> u64 {
        self.quota.limit()
    }

    /// How many more requests of this key would pass now: the `r` of a `RateLimit` field.
    pub const fn remaining(&self) -> u64 {
        self.quota.remaining(self.excess)
    }

    /// The time until one more request of this key would pass; zero while some [remain](Self::remaining).
    pub const fn retry_after(&self) -> Duration {
        self.standing.until(&self.quota, self.quota.burst())
    }

    /// The time until the whole [limit](Self::limit) is there again, if nothing else comes.
    pub const fn reset(&self) -> Duration {
        self.standing.until(&self.quota, 0)
    }
}

// === impl Standing ===

impl Standing {
    /// The excess of one more request.
    pub(crate) const fn one_more(self, quota: &Quota) -> u64 {
        (self.excess + REQUEST).saturating_sub(quota.refill(self.elapsed))
    }

    /// The time until one more request would have at most this excess.
    const fn until(self, quota: &Quota, excess: u64) -> Duration {
        let surplus = (self.excess + REQUEST).saturating_sub(excess);
        Duration::from_millis(quota.wait_for(surplus).saturating_sub(self.elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_the_reply() {
        let quota = Quota::new("5r/m".parse().unwrap(), 2);
        let rows = [
            ("the first", Decision::pass(quota, 0), 2, 0, 12_049),
            ("the second", Decision::pass(quota, 1_000), 1, 0, 24_097),
            ("the last", Decision::pass(quota, 2_000), 0, 12_049, 36_145),
            ("between two", Decision::pass(quota, 1_500), 0, 6_025, 30_121),
            (
                "one too many",
                Decision::reject(quota, 3_000, Standing { excess: 2_000, elapsed: 0 }),
                0,
                12_049,
                36_145,
            ),
            (
                "and again later",
                Decision::reject(quota, 2_585, Standing { excess: 2_000, elapsed: 5_000 }),
                0,
                7_049,
                31_145,
            ),
        ];
        for (what, decision, remaining, retry_after, reset) in rows {
            assert_eq!(decision.limit(), 3, "{what}");
            assert_eq!(decision.remaining(), remaining, "{what}");
            assert_eq!(decision.retry_after(), Duration::from_millis(retry_after), "{what}");
            assert_eq!(decision.reset(), Duration::from_millis(reset), "{what}");
            assert_eq!(decision.is_reject(), decision.excess() > 2_000, "{what}");
        }
    }

    #[test]
    fn a_key_that_is_kept_elsewhere_is_judged_like_one_in_a_zone() {
        let quota = Quota::new("5r/m".parse().unwrap(), 2);
        assert_eq!(Decision::on(quota, None).excess(), 0, "nobody has seen it");
        let rows = [
            (0, 0, Decision::pass(quota, 1_000)),
            (2_000, 12_049, Decision::pass(quota, 2_000)),
            (0, 60_000, Decision::pass(quota, 0)),
            (2_000, 5_000, Decision::reject(quota, 2_585, Standing { excess: 2_000, elapsed: 5_000 })),
        ];
        for (excess, elapsed, expected) in rows {
            let standing = Standing { excess, elapsed };
            assert_eq!(Decision::on(quota, Some(standing)), expected, "{standing:?}");
        }
    }
}
