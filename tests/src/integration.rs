//! Integration tests, by behaviour. Each module starts what it needs on ports of its own and leaves nothing behind.

// What a request meets.
mod routing;
mod forwarding;
mod streaming;
mod errors;
mod filters;
mod client_limits;

// What outlives a request.
mod websocket;
mod health;
mod reload;
mod shutdown;

// What an operator sees.
mod command_line;
mod logs;
mod metrics;
mod deployments;

// What keeps the project honest.
mod documents;
mod tidy;
