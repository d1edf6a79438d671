//! Certificates from CAs: a real one, and some that do what a real one does not do on request.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod ca;
mod front;
mod stage;
mod watch;

mod broken;
mod issuance;
mod lasting;
mod windows;
