//! What RFC 9110 says of HTTP's semantics, as pure functions.
//!
//! Whoever answers a request without its server needs the same answers to the same questions: which version of a thing is
//! there ([`EntityTag`], [`date`]), whether the client has it already ([`Verdict`]), which bytes of it are wanted ([`Wanted`],
//! [`Multipart`]), and in which form ([`preferences`], [`preferred_coding`]). They stand here once, and nothing here knows
//! what a file, a cache or a gateway is.

mod codings;
mod conditions;
pub mod date;
mod multipart;
mod preferences;
mod range;
mod tags;

pub use codings::preferred_coding;
pub use conditions::{Validators, Verdict};
pub use multipart::{Multipart, Part};
pub use preferences::{Preference, Quality, preferences};
pub use range::{Span, Wanted};
pub use tags::{EntityTag, tags};
