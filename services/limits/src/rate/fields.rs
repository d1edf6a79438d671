//! What a client is told about its limit: `RateLimit-Policy` and `RateLimit`, as in
//! draft-ietf-httpapi-ratelimit-headers-11.
//!
//! Both are lists of structured fields (RFC 9651), so each limit adds an item of its own:
//!
//! ```text
//! RateLimit-Policy: "logins";q=3;w=37
//! RateLimit: "logins";r=0;t=12
//! ```
//!
//! `q` requests pass at once, and all of them again after `w` seconds. `r` would pass now; `t` is the time until the
//! whole quota is back, or while nothing is left, until the next request passes, which is what `Retry-After` says.

use std::time::Duration;

use headwall_limit::{Decision, Quota};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(super) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The item of `RateLimit-Policy` of one limit, written once.
#[derive(Debug)]
pub(super) struct Policy {
    name: String,
    item: HeaderValue,
}

// === impl Policy ===

impl Policy {
    /// The name is that of a zone, so it needs no escapes.
    pub(super) fn new(name: &str, quota: &Quota) -> Self {
        let item = format!("\"{name}\";q={};w={}", quota.limit(), seconds(quota.window()));
        Self { name: name.to_owned(), item: value(&item) }
    }

    /// The item of `RateLimit-Policy`.
    pub(super) fn item(&self) -> HeaderValue {
        self.item.clone()
    }

    /// The item of `RateLimit` that tells of a decision.
    pub(super) fn state(&self, decision: &Decision) -> HeaderValue {
        let remaining = decision.remaining();
        let wait = if remaining == 0 { decision.retry_after() } else { decision.reset() };
        value(&format!("\"{}\";r={remaining};t={}", self.name, seconds(wait)))
    }

    /// Adds both items to a response.
    pub(super) fn tell(&self, decision: &Decision, headers: &mut HeaderMap) {
        headers.append(RATELIMIT_POLICY, self.item());
        headers.append(RATELIMIT, self.state(decision));
    }
}

/// Whole seconds, rounded up.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Names of zones, digits and punctuation are valid header text.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use headwall_limit::Standing;

    use super::*;

    #[test]
    fn items_are_as_the_draft_says() {
        let quota = Quota::new("5r/m".parse().unwrap(), 2);
        let policy = Policy::new("logins", &quota);
        assert_eq!(policy.item(), "\"logins\";q=3;w=37");
        let rows = [
            (None, "\"logins\";r=2;t=13"),
            (Some((0, 0)), "\"logins\";r=1;t=25"),
            (Some((1_000, 0)), "\"logins\";r=0;t=13"),
            (Some((2_000, 5_000)), "\"logins\";r=0;t=8"),
        ];
        for (before, item) in rows {
            let before = before.map(|(excess, elapsed)| Standing { excess, elapsed });
            assert_eq!(policy.state(&Decision::on(quota, before)), item, "{before:?}");
        }
    }
}
