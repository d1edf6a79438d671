//! Integration tests, by behaviour. Each module starts what it needs on ports of its own and leaves nothing behind.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

// What a request meets.
mod access;
mod answers;
mod client_limits;
mod errors;
mod filters;
mod forwarding;
mod limits;
mod routing;
mod streaming;
mod strict;

// What outlives a request.
mod acme;
mod balancing;
mod health;
mod reload;
mod shutdown;
mod tls;
mod upstream_tls;
mod websocket;

// What an operator sees.
mod admin;
mod command_line;
mod deployments;
mod logs;
mod metrics;
mod real_peers;

// What keeps the project honest.
mod documents;
mod tidy;
