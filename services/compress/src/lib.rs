//! The `compress` filter: responses are compressed on their way to clients that can take it.
//!
//! ```yaml
//! filters:
//!   - compress: {}
//! ```
//!
//! Pingora's own compression takes the first coding that a client names even if it is refused by `q=0`, and holds back what
//! a stream has to say until its end. Here the client's preferences are read as RFC 9110 has them, and a piece of a
//! response whose length nobody knows leaves at once.
//!
//! Three things bound what compressing costs. A level is at most what a worker can be asked for: the slowest step, 64 KiB
//! of a body, takes a few milliseconds. A window is at most 256 KiB. And so many responses at once are compressed and no
//! more; the others go out as they are.

mod coding;
mod compress;
mod filter;

mod active;
mod caches;
mod counters;
mod eligible;
mod encoder;
mod media_type;

pub use coding::Coding;
pub use compress::{Compress, Levels};
pub use media_type::{InvalidMediaPattern, MediaPattern};
