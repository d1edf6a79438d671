//! gRPC: a tonic client and a tonic server, with Headwall between them.

mod calls;
mod errors;
mod peers;
mod web;

use headwall_testkit::Gateway;
use tonic::transport::{Channel, Endpoint};

use peers::Caller;

/// A gateway for gRPC; `route` is more of the route's settings, `filters` its filters.
async fn gateway(server: impl std::fmt::Display, route: &str, filters: &str) -> Gateway {
    Gateway::start(&format!(
        "
        listeners: [{{ address: \"127.0.0.1:0\", http2: true }}]
        sites: [{{ name: site, routes: [{{ name: route, filters: [{filters}], api: {{ upstream: app{route} }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{server}\"], protocol: http2 }} }}
        "
    ))
    .await
}

/// A client with one connection to a gateway.
async fn caller(gateway: &Gateway) -> Caller<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", gateway.address())).unwrap();
    Caller::over(endpoint.connect().await.unwrap())
}
