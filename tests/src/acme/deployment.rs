//! The deployment whose certificate comes from a CA, as its operator starts it.

use headwall_testkit::{Gateway, Origin, Pebble, Trust, eventually};

/// The host of its guide.
const HOST: &str = "api.yourdomain.com";

fn text() -> String {
    let path = format!("{}/../conf/conversational-platform.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test]
async fn the_conversational_platform_gets_its_certificate_by_itself() {
    let app = Origin::builder().otherwise("hello").start().await;
    let dir = tempfile::tempdir().unwrap();
    // It starts while its CA cannot be reached, which costs nothing but the certificate.
    let text = format!("storage: \"{}\"\n{}", dir.path().display(), text());
    let mut gateway = Gateway::config(&text)
        .variable("HEADWALL_HTTP", "127.0.0.1:0")
        .variable("HEADWALL_HTTPS", "127.0.0.1:0")
        .variable("HEADWALL_ADMIN", "127.0.0.1:0")
        .variable("HEADWALL_APP", app.address())
        .variable("HEADWALL_ACME_DIRECTORY", "https://127.0.0.1:1/dir")
        .start()
        .await;
    let ports = [0, 1].map(|index| gateway.address_at(index).port());
    let ca = Pebble::builder().http_port(ports[0]).tls_port(ports[1]).start().await;
    let Some(ca) = ca else { return };
    gateway.set_variable("HEADWALL_ACME_DIRECTORY", ca.directory());
    gateway.set_variable("HEADWALL_ACME_CA", ca.root_pem_path().display());
    gateway.reload(&text).await.unwrap();

    let trust = Trust::pem(&ca.issuer_root().await);
    let client = gateway.client_at(1).tls(trust).server_name(HOST);
    let reply = eventually(60, async || client.get("/chat").try_send().await.ok()).await;
    reply.assert_status(200).assert_text("hello");
    assert!(reply.header("strict-transport-security").is_some(), "over TLS browsers are to stay there");
    let plain = gateway.client().host(HOST).get("/chat?x=1").send().await;
    plain.assert_status(308).assert_header("location", &format!("https://{HOST}/chat?x=1"));
}
