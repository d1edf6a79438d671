//! Limits: how often ([`RateLimit`]) and how much at once ([`ConcurrencyLimit`]).
//!
//! ```yaml
//! rate_limit: { rate: 5r/m, burst: 2 }
//! ```
//!
//! The accounting is nginx's `limit_req`, to the millisecond (`headwall-limit` has the vectors). What differs is what
//! its users ask for: the status is 429 and carries `Retry-After`, an IPv6 client counts by its /64, decisions are
//! metrics, and several servers can share their counts in Redis.

mod exempt;
mod key;
mod refusal;

mod rate;
mod store;

mod concurrency;

pub use concurrency::ConcurrencyLimit;
pub use exempt::Exempt;
pub use key::{KeyPart, KeySource};
pub use rate::{Delay, RateLimit};
pub use store::StoreSettings;
