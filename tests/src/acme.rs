//! Certificates from a CA, by themselves: Headwall beside a real ACME server.

mod adversity;
mod deployment;
mod issuing;
mod lasting;

use std::net::SocketAddr;

use headwall_testkit::{Client, Gateway, Pebble, Trust, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// The name that is asked for. The CA's DNS knows it, and every other one, as 127.0.0.1.
const HOST: &str = "app.example.com";

/// A gateway without a certificate yet, and a CA that can reach it.
struct Stand {
    gateway: Gateway,
    pebble: Pebble,
    storage: TempDir,
}

/// A config whose site gets its certificate as `tls` says.
fn config(tls: &str) -> String {
    format!(
        "
        storage: \"${{STORAGE}}\"
        listeners: [{{ address: \"127.0.0.1:0\" }}, {{ address: \"127.0.0.1:0\", tls: true }}]
        sites:
          - hosts: [{HOST}]
            tls: {tls}
            routes: [{{ respond: {{ body: secured }} }}]
          - hosts: [plain.example.com]
            routes: [{{ respond: {{ body: plain }} }}]
        admin: {{ address: \"127.0.0.1:0\", wait_for_certificates: true }}
        "
    )
}

/// ACME at the CA of the test, with these settings beside.
fn acme(settings: &str) -> String {
    config(&format!(
        "{{ acme: {{ authorities: [{{ directory: \"${{DIRECTORY}}\", ca: \"${{CA}}\" }}] {settings} }} }}"
    ))
}

impl Stand {
    /// A gateway that listens, and a CA that validates where it does. `None`, said loudly, where there is no CA.
    async fn new(
        pebble: impl FnOnce(headwall_testkit::PebbleBuilder) -> headwall_testkit::PebbleBuilder,
    ) -> Option<Self> {
        let storage = tempfile::tempdir().unwrap();
        // The CA has to know the ports before it starts, and they are known once something listens there.
        let mut gateway = Gateway::config(&config("internal"))
            .variable("STORAGE", storage.path().join("before").display())
            .start()
            .await;
        let ports = [0, 1].map(|index| gateway.address_at(index).port());
        let pebble = pebble(Pebble::builder().http_port(ports[0]).tls_port(ports[1])).start().await?;
        gateway.set_variable("STORAGE", storage.path().display());
        gateway.set_variable("DIRECTORY", pebble.directory());
        gateway.set_variable("CA", pebble.root_pem_path().display());
        Some(Self { gateway, pebble, storage })
    }

    /// Begins to want a certificate.
    async fn wants(&mut self, settings: &str) {
        self.gateway.reload(&acme(settings)).await.unwrap();
    }

    /// A client that trusts the CA alone.
    async fn client(&self) -> Client {
        client(self.gateway.address_at(1), &self.pebble).await
    }

    /// How often the certificate was obtained.
    fn renewals(&self) -> f64 {
        let labels = format!("certificate=\"{HOST}\",result=\"succeeded\",site=\"{HOST}\"");
        self.gateway.metric(&format!("headwall_certificate_renewals_total{{{labels}}}")).unwrap_or_default()
    }

    async fn has_a_certificate(&self) {
        has_a_certificate(&self.gateway).await;
    }
}

async fn client(address: SocketAddr, pebble: &Pebble) -> Client {
    Client::to(address).host(HOST).tls(Trust::pem(&pebble.issuer_root().await)).server_name(HOST)
}

/// The certificates as the admin listener tells of them.
async fn certificates(gateway: &Gateway) -> Vec<Value> {
    let reply = gateway.admin("/certificates").await.json();
    reply.as_array().unwrap_or_else(|| panic!("expected a list, was {reply}")).clone()
}

async fn has_a_certificate(gateway: &Gateway) {
    eventually(60, async || {
        let certificate = certificates(gateway).await.remove(0);
        (certificate["state"] == "valid").then_some(())
    })
    .await;
}
