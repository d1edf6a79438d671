//! Which server gets a request, who waits for one, and what a reload leaves as it is.

mod breaker;
mod capacity;
mod kept;
mod policies;
mod settings;
mod sticky;

use headwall_testkit::{Client, Gate, Gateway, GatewayBuilder, Origin};

/// A server that answers everything with its name; `/slow` when the gate is open.
async fn server(name: &'static str, gate: &Gate) -> Origin {
    Origin::builder().route("/slow", gate.then(name)).otherwise(name).start().await
}

/// An upstream `app` with these servers, each an address or a map with `${A}`, `${B}` and `${C}` for the addresses, and
/// these settings.
fn upstream(servers: &str, settings: &str) -> String {
    format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [{servers}], {settings} }} }}
        "
    )
}

/// A gateway in front of such an upstream.
fn in_front_of(origins: &[&Origin], servers: &str, settings: &str) -> GatewayBuilder {
    let names = ["A", "B", "C"];
    let gateway = Gateway::config(&upstream(servers, settings));
    names
        .iter()
        .zip(origins)
        .fold(gateway, |gateway, (name, origin)| gateway.variable(name, origin.address()))
}

/// Who answers so many requests, one after the other.
async fn answers(client: &Client, requests: usize) -> String {
    let mut answers = String::new();
    for _ in 0..requests {
        answers += &client.get("/").send().await.assert_status(200).text();
    }
    answers
}
