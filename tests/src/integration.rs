//! Integration tests, by behaviour. Each module starts what it needs on ports of its own and leaves nothing behind.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

// What a request meets.
mod access;
mod answers;
mod cache;
mod client_limits;
mod compress;
mod editing;
mod errors;
mod faults;
mod files;
mod filters;
mod forwarding;
mod grpc;
mod limits;
mod routing;
mod streaming;
mod strict;
mod traffic;

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
mod caddy;
mod chromium;
mod command_line;
mod deployments;
mod logs;
mod metrics;

// Other ends than Headwall: what several of the tests need.
mod frames;
mod nginx;
mod outage;
mod real_peers;

// What keeps the project honest.
mod documents;
mod tidy;
