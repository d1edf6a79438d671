//! What an upstream receives and what comes back: nothing is lost, nothing is made up, nothing is held back.

mod bodies;
mod connections;
mod headers;
mod paths;
mod versions;

use std::net::SocketAddr;

use headwall_testkit::Gateway;

/// One site, one route, one server: the shortest way through the proxy.
pub(crate) async fn in_front_of(server: SocketAddr) -> Gateway {
    Gateway::config(
        r#"
        sites: [{ name: site, routes: [{ name: route, api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", server)
    .start()
    .await
}
