//! When a request is sent a further time: the settings.
//!
//! What is decided by them stands in `gateway/retry.rs`. A request goes out again only where a client cannot tell: nothing
//! of an answer has been passed on, its body is still in the replay buffer (64 KiB), and no filter has seen a part of it.

use garde::Validate;
use headwall_units::Duration;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::more_than_nothing;

/// When a request is sent to a server a further time.
///
/// A server that cannot be connected to is passed over for another one, whatever the request. Once something was sent,
/// only what may be repeated is: requests of idempotent methods (RFC 9110, 9.2.2), requests with an `Idempotency-Key`, and
/// requests of which the server provably has not seen a byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How many attempts may be made in all; 1 is never a further one. Default: 2.
    #[garde(range(min = 1, max = 10))]
    pub attempts: u32,
    /// How long an attempt may take until its answer begins, connecting included. The next one then begins, if the request
    /// may be repeated. Default: no limit but those of `timeouts`, which end the request.
    #[garde(inner(custom(more_than_nothing)))]
    pub per_try_timeout: Option<Duration>,
    /// Statuses of an answer that is thrown away for a further attempt, such as `[502, 503, 504]`. The last attempt's answer
    /// is passed on as it is. Default: none.
    #[garde(inner(range(min = 400, max = 599)))]
    pub on_status: Vec<u16>,
    /// Repeats POST, PATCH and the like too, which a server may have acted on already. Default: false.
    #[garde(skip)]
    pub non_idempotent: bool,
    /// How long to wait before a server is asked a second time; twice as long before the third, ten times at the most. Each
    /// wait is shortened by chance, down to nothing. Another server is asked at once. Default: `25ms`.
    #[garde(skip)]
    pub backoff: Duration,
    /// Percent of the upstream's requests within 10 seconds that may be sent again because a server failed over them;
    /// three at once are always allowed. Connections that could not be opened and such as had died while idle do not count.
    /// Default: 20.
    #[garde(range(max = 100))]
    pub budget: u32,
}

// === impl Retry ===

impl Retry {
    /// Never a further attempt.
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    pub(crate) fn is_asked_for(&self, status: StatusCode) -> bool {
        self.on_status.contains(&status.as_u16())
    }

    /// The longest wait before the attempt of this number, which is at least 2.
    pub(crate) fn longest_wait(&self, attempt: u32) -> std::time::Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(2)).map_or(10, |factor| factor.min(10));
        self.backoff.as_std() * factor
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            per_try_timeout: None,
            on_status: Vec::new(),
            non_idempotent: false,
            backoff: Duration::from_millis(25),
            budget: 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_times() {
        let retry = Retry::default();
        let rows = [(2, 25), (3, 50), (4, 100), (5, 200), (6, 250), (10, 250), (u32::MAX, 250)];
        for (attempt, millis) in rows {
            assert_eq!(retry.longest_wait(attempt).as_millis(), millis, "attempt {attempt}");
        }
    }
}
