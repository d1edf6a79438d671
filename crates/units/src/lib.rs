//! Values as people write them in a config file.
//!
//! A file says `30s`, `64k` or `5r/m`; the code behind it wants a span of time, a number of bytes, a number of
//! requests. Each type here reads such a text once, at the border, so that nothing past the border has to ask
//! whether a number meant seconds or milliseconds.
//!
//! | type | as written | meaning |
//! |---|---|---|
//! | [`Duration`] | `30s`, `250ms`, `1h30m` | a span of time; the unit is never guessed |
//! | [`Size`] | `64k`, `10m`, `1GiB`, `64kB`, `512` | bytes |
//! | [`Rate`] | `5r/m`, `100 per 1m` | requests in a time |
//! | [`Network`] | `10.0.0.0/8`, `192.0.2.1` | a range of addresses |
//! | [`UpstreamRef`] | `app` | the name of an upstream of the same file |
//! | [`SameSite`] | `lax` | when browsers send a cookie along |
//! | [`Secret`] | `${TOKEN}` | a text that is never printed |
//!
//! The first three share one contract: [`FromStr`](std::str::FromStr) reads the text and its error says what was
//! expected and what was written, [`Display`](std::fmt::Display) writes a text that reads back as the same value,
//! and serde uses those two. The schemas carry examples and no patterns, because a value in a file may also be
//! `${VAR}`, which a pattern would mark as a mistake in the operator's editor.

mod text;

mod duration;
mod network;
mod rate;
mod reference;
mod same_site;
mod secret;
mod size;

pub use duration::{Duration, InvalidDuration};
pub use network::{InvalidNetwork, Network};
pub use rate::{InvalidRate, Per, Rate};
pub use reference::UpstreamRef;
pub use same_site::SameSite;
pub use secret::{InvalidSecret, Secret};
pub use size::{InvalidSize, Size};
