//! Where counts are kept: what is written about it, and what it becomes.

pub(crate) mod redis;
mod settings;
pub(crate) mod sketch;

use std::sync::Arc;

use headwall_limit::Zone;
use headwall_redis::Redis;

pub use settings::StoreSettings;

/// Where the counts of one limit are kept.
#[derive(Debug)]
pub(crate) enum Store {
    /// In a table of this process, exact.
    Local(Arc<Zone>),
    /// In an estimate of constant size.
    Sketch(Arc<sketch::Sketch>),
    /// In Redis, with everybody else who counts there.
    Shared(Shared),
}

/// What is needed to count in Redis.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) redis: Arc<Redis>,
    /// What this limit's keys begin with.
    pub(crate) prefix: String,
    pub(crate) otherwise: Otherwise,
}

/// What becomes of requests that Redis is not there for.
#[derive(Debug)]
pub(crate) enum Otherwise {
    /// They are counted here, in a table that has been kept up to date meanwhile.
    Local(Arc<Zone>),
    Allow,
    Refuse,
}
