//! A Redis that requests may ask, within a budget of time.
//!
//! Several services share what they know with other Headwalls: limits their counts, the login guard its lockouts. What
//! each of them shares is a Lua script of its own; where Redis is, what becomes of requests while it is gone, and how it
//! is found again are the same for all of them, and stand here.

mod settings;

mod server;

mod link;
mod metrics;

pub use metrics::Purpose;
pub use server::{Missed, Redis};
pub use settings::{Fallback, RedisStore, Sentinel, Urls};

/// One run of the script: add keys and arguments, and [ask](Redis::ask).
pub use redis::ScriptInvocation as Call;
