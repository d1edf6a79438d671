//! WebSocket with a session token: `POST /api/session` hands a token out, and `/ws?token=…` (or the cookie `session`)
//! is let through to the application only with one that is genuine and has not expired.
//!
//! The service and the filter are both called `session`, and share nothing but the key: a token carries its own expiry,
//! signed with HMAC-SHA256, so there is no table of sessions to keep.
//!
//! Headwall has the pair ready as [`session_token`](../../../docs/src/access.md#websockets-of-browsers); this is how one of your
//! own is written.
//!
//! ```sh
//! SESSION_KEY=$(openssl rand -hex 32) cargo run -p example-session -- run --config examples/session/headwall.yaml
//! ```

mod check;
mod issue;
mod token;

use std::process::ExitCode;

use headwall::Server;

fn main() -> ExitCode {
    server().run()
}

/// Everything Headwall has, a service that issues tokens and a filter that asks for them.
fn server() -> Server {
    Server::new().service::<issue::Issue>("session").filter::<check::Check>("session")
}

#[cfg(test)]
mod tests;
