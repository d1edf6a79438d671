//! What is changed on the way: headers, cookies, paths, addresses.

mod headers;
mod rewrite;

use std::net::SocketAddr;

use headwall_testkit::Gateway;

/// One route with these filters.
async fn with(app: SocketAddr, filters: &str) -> Gateway {
    let config = r#"
        sites: [{ name: site, routes: [{ name: route, filters: FILTERS, api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"] } }
    "#;
    Gateway::config(&config.replace("FILTERS", filters)).variable("APP", app).start().await
}

/// What is said of settings that cannot be meant.
async fn refusal(filters: &str) -> String {
    let config = format!("sites: [{{ routes: [{{ filters: {filters}, respond: {{}} }}] }}]");
    match Gateway::config(&config).try_start().await {
        Ok(_) => panic!("{filters} was taken"),
        Err(error) => error,
    }
}
