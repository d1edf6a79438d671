//! Certificates from CAs: a real one, and some that do what a real one does not do on request.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod ca;
mod front;
#[path = "../../../testkit/src/pebble.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a file of the testkit")]
mod pebble;
mod stage;
mod watch;

mod broken;
mod issuance;
mod lasting;
mod windows;
