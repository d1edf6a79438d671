//! The `mirror` filter: a copy of each request goes to another upstream as well.
//!
//! ```yaml
//! mirror: { upstream: shadow, percent: 10 }
//! ```
//!
//! Nobody waits for it, and what it answers is thrown away. The copy leaves when the app has answered the request and the body is
//! complete, so what was refused on the way is not copied, and the app is asked first. There is a bound on copies under way and on
//! the size of their bodies; what is beyond it is not copied, and counted.

mod copy;
mod filter;
mod tally;

use std::sync::Arc;

use garde::Validate;
use headwall_core::units::{Duration, Size, UpstreamRef};
use headwall_core::{BoxError, Build, Filter, Forward, Module, Retry, Timeouts, upstream::Fetch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use filter::Mirroring;
use tally::Tally;

/// Sends copies of requests to another upstream, whose answers are thrown away.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// Who gets the copies.
    #[garde(skip)]
    pub upstream: UpstreamRef,
    /// Percent of the requests that are copied, by chance. Default: 100.
    #[serde(default = "defaults::percent")]
    #[garde(range(min = 0.0, max = 100.0))]
    pub percent: f64,
    /// The largest body that is copied. A request with a larger one is not. Default: `64k`.
    #[serde(default = "defaults::max_body")]
    #[garde(skip)]
    pub max_body: Size,
    /// How many copies may be under way at the same time. Default: 100.
    #[serde(default = "defaults::max_in_flight")]
    #[garde(range(min = 1, max = 100_000))]
    pub max_in_flight: usize,
    /// How long a copy may take, its answer included. Default: `30s`.
    #[serde(default = "defaults::timeout")]
    #[garde(skip)]
    pub timeout: Duration,
}

impl Module for Mirror {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let timeouts = Timeouts { total: Some(self.timeout), ..Timeouts::default() };
        let retry = Retry { attempts: 1, ..Retry::default() };
        let forward = Arc::new(Forward { timeouts, retry, ..Forward::to(cx.upstream(&self.upstream)?) });
        Ok(Arc::new(Mirroring {
            forward,
            // Connections outlive a reload.
            fetch: cx.shared("connections", || Ok(Fetch::new()))?,
            share: self.percent / 100.0,
            max_body: self.max_body.bytes(),
            timeout: self.timeout.into(),
            room: Arc::new(Semaphore::new(self.max_in_flight)),
            tally: Tally::new(cx)?,
        }))
    }
}

/// What holds where nothing is written.
mod defaults {
    use headwall_core::units::{Duration, Size};

    pub(super) fn percent() -> f64 {
        100.0
    }

    pub(super) fn max_body() -> Size {
        Size::from_bytes(64 << 10)
    }

    pub(super) fn max_in_flight() -> usize {
        100
    }

    pub(super) fn timeout() -> Duration {
        Duration::from_secs(30)
    }
}
