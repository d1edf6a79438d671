//! WebSockets through the gateway: the handshake, the tunnel, and how it ends.
//!
//! Where a test looks at single bytes, both ends are raw: they use the key of RFC 6455's example, so that its answer is
//! known beforehand.

mod early;
mod ending;
mod filters;
mod refusal;
mod relay;

use std::fmt::Display;

use headwall_testkit::{Gateway, GatewayBuilder};

/// A client's handshake, as bytes.
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The answer that accepts [`HANDSHAKE`].
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A gateway with one route, which tunnels to one server.
fn tunnel_to(server: impl Display) -> GatewayBuilder {
    Gateway::config(
        "
        sites: [{ name: app, routes: [{ name: socket, websocket: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", server)
}
