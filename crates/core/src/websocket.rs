//! WebSocket: the handshake and the tunnel behind it.
//!
//! Pingora has a tunnel of its own, which loses a race in up to 4 % of upgrades on several workers and keeps 178 KB
//! for each open socket (cloudflare/pingora#946). This one takes both streams out of their HTTP sessions after the
//! 101 and relays bytes in a task of its own, so that an idle socket costs two file descriptors and a few kilobytes.

mod handshake;
mod open;
mod relay;
mod task;

pub use handshake::{Handshake, upgrade_required};
pub(crate) use open::open;
