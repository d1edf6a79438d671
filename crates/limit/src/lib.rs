//! Rate limiters with nginx's accounting, over an injected clock.
//!
//! A [`Zone`] is a table of bounded size that remembers, for each [`Key`], how far the key is ahead of its
//! [`Quota`]. A [`Decision`] says whether a request passes, and what a reply may tell the client about it.
//!
//! ```
//! use std::{num::NonZeroUsize, time::Duration};
//! use headwall_limit::{FakeClock, Key, Quota, Verdict, Zone};
//!
//! let clock = FakeClock::new();
//! let quota = Quota::new("5r/m".parse()?, 2);
//! let zone = Zone::with_clock(quota, NonZeroUsize::new(10_000).unwrap(), clock.clone());
//!
//! let client = Key::address("2001:db8::1".parse()?);
//! for _ in 0..3 {
//!     assert_eq!(zone.check(client).verdict(), Verdict::Pass); // one, and a burst of two
//! }
//! let retry_after = Duration::from_millis(12_049);
//! assert_eq!(zone.check(client).verdict(), Verdict::Reject { retry_after });
//!
//! clock.advance(retry_after);
//! assert_eq!(zone.check(client).verdict(), Verdict::Pass);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`InFlight`] counts what is being served at the same time.
//!
//! # What is nginx's, and what is not
//!
//! The arithmetic is that of nginx's `limit_req`, to the thousandth of a request and the millisecond, rounding
//! included, so that a migrated limit answers as before. Three things differ on purpose:
//!
//! * IPv6 clients count by their /64: whoever has one address has 2⁶⁴ of them.
//! * An idle entry leaves the table only when forgetting it cannot change an answer. nginx may forget one after a
//!   minute, which is too early for rates that it cannot express, such as `100r/h`.
//! * A rejection knows when the next request would pass.
//!
//! A dry run needs nothing from this crate: check as usual and ignore the verdict. As in nginx, requests that would
//! have passed are charged and requests that would have been rejected are not.

mod clock;
mod key;
mod quota;

mod decision;

mod account;
mod ledger;
mod shard;
mod zone;

mod joint;

mod in_flight;

pub use account::Charge;
pub use clock::{Clock, FakeClock, Millis, SystemClock};
pub use decision::{Decision, Standing, Verdict};
pub use in_flight::{InFlight, Place};
pub use joint::{Ruling, check_all};
pub use key::{Key, KeyHasher};
pub use quota::Quota;
pub use zone::Zone;
