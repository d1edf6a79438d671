//! How names are looked up.

use std::net::SocketAddr;

use garde::Validate;
use headwall_core::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How names of servers are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct DnsSettings {
    /// The name servers to ask, such as `127.0.0.53:53`. Default: the system's, after `/etc/hosts`.
    #[garde(skip)]
    #[schemars(with = "Vec<String>")]
    pub servers: Vec<SocketAddr>,
    /// The least time between two look-ups of a name, however short its TTL is. Default: `5s`.
    #[garde(custom(at_least_a_second))]
    pub min_ttl: Duration,
    /// The longest time between two look-ups, however long the TTL is. Default: `5m`.
    #[garde(custom(at_least_the_other(self.min_ttl)))]
    pub max_ttl: Duration,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), min_ttl: Duration::from_secs(5), max_ttl: Duration::from_secs(300) }
    }
}

fn at_least_a_second(time: &Duration, (): &()) -> garde::Result {
    if time.as_std().as_secs() == 0 { Err(garde::Error::new("expected at least 1s")) } else { Ok(()) }
}

fn at_least_the_other(least: Duration) -> impl FnOnce(&Duration, &()) -> garde::Result {
    move |most, ()| {
        if most.as_std() < least.as_std() {
            return Err(garde::Error::new(format!("expected at least `min_ttl`, which is {least}")));
        }
        Ok(())
    }
}
