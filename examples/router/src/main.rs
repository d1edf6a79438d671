//! Routing of one's own, twice: `tenants` is a service that hands each request to one of the services inside it, and
//! `hashed` is an upstream that sends the same key to the same server.
//!
//! ```sh
//! cargo run -p example-router -- run --config examples/router/headwall.yaml
//! ```
//!
//! Then `curl -i http://127.0.0.1:8080/ -H 'X-Tenant: acme'`.

mod hashed;
mod tenants;

use std::process::ExitCode;

use headwall::Server;

fn main() -> ExitCode {
    server().run()
}

/// Everything Headwall has, `tenants` and `hashed`.
fn server() -> Server {
    Server::new().service::<tenants::Tenants>("tenants").upstream::<hashed::Hashed>("hashed")
}

#[cfg(test)]
mod tests;
