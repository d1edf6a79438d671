//! What passive health is configured with.

use garde::Validate;
use headwall_core::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a server is passed over because of how it serves requests, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct PassiveHealth {
    /// Whether it is looked at. Default: `true`.
    #[garde(skip)]
    pub enabled: bool,
    /// After how many attempts in a row that got no whole answer. Default: 5, because one may be the end of a kept
    /// connection, and an app that restarts fails more.
    #[garde(range(min = 1, max = 10_000))]
    pub failures: u32,
    /// After how many in a row that got none or 502, 503 or 504. Default: 10, because an app may say 503 of one thing that it
    /// cannot do.
    #[garde(range(min = 1, max = 10_000))]
    pub gateway_errors: u32,
    /// For how long the first time; the second time twice as long, and so on. Default: `10s`.
    #[garde(custom(at_least_a_second))]
    pub base_time: Duration,
    /// For how long at most. Default: `5m`.
    #[garde(custom(at_least_the_base(self.base_time)))]
    pub max_time: Duration,
    /// How many of the servers may be passed over at the same time, in percent; one may be in any case, if it is not the last.
    /// Default: 50.
    #[garde(range(max = 100))]
    pub max_ejected: u32,
}

impl Default for PassiveHealth {
    fn default() -> Self {
        Self {
            enabled: true,
            failures: 5,
            gateway_errors: 10,
            base_time: Duration::from_secs(10),
            max_time: Duration::from_secs(300),
            max_ejected: 50,
        }
    }
}

fn at_least_a_second(time: &Duration, (): &()) -> garde::Result {
    if time.as_std().as_secs() == 0 { Err(garde::Error::new("expected at least 1s")) } else { Ok(()) }
}

fn at_least_the_base(base: Duration) -> impl FnOnce(&Duration, &()) -> garde::Result {
    move |longest, ()| {
        if longest.as_std() < base.as_std() {
            return Err(garde::Error::new(format!("expected at least `base_time`, which is {base}")));
        }
        Ok(())
    }
}
