//! When no certificate comes, and what goes on meanwhile.

use headwall_testkit::{Gateway, deaf_address, eventually};

use super::{HOST, Stand, acme, certificates, client};

#[tokio::test]
async fn nothing_waits_for_a_ca_that_is_down() {
    let storage = tempfile::tempdir().unwrap();
    let nobody = deaf_address();
    let gateway = Gateway::config(&acme(""))
        .variable("STORAGE", storage.path().display())
        .variable("DIRECTORY", format!("https://{nobody}/dir"))
        .variable("CA", "")
        .start()
        .await;
    let plain = gateway.client().host("plain.example.com").get("/").send().await;
    plain.assert_status(200).assert_text("plain");
    let redirect = gateway.client().host(HOST).get("/a").send().await;
    redirect.assert_status(308);

    let trust = headwall_testkit::Trust::anyone();
    let refused = gateway.client_at(1).tls(trust).server_name(HOST).handshake().await.unwrap_err();
    assert_eq!(refused.alert().as_deref(), Some("InternalError"), "{refused}");
    gateway.admin("/livez").await.assert_status(200);
    let ready = gateway.admin("/readyz").await;
    ready.assert_status(503);
    assert_eq!(ready.json()["missing_certificates"][0], HOST, "the operator has asked to wait");

    let failed = eventually(30, async || {
        let certificate = certificates(&gateway).await.remove(0);
        (certificate["state"] == "failing").then_some(certificate)
    })
    .await;
    let error = failed["last_error"].as_str().unwrap();
    assert!(error.contains(&nobody.to_string()), "which CA it was: {error}");
    assert!(failed["next_attempt"].is_string() && failed["failures"] == 1, "{failed}");
    let metrics = gateway.admin("/metrics").await.text();
    let expected = format!(
        "headwall_certificate_renewals_total{{certificate=\"{HOST}\",result=\"failed\",site=\"{HOST}\"}} 1"
    );
    assert!(metrics.contains(&expected), "{metrics}");
    let missing = format!(
        "headwall_certificate_expiry_timestamp_seconds{{certificate=\"{HOST}\",site=\"{HOST}\",source=\"acme\"}} 0"
    );
    assert!(metrics.contains(&missing), "{metrics}");
}

#[tokio::test]
async fn the_cas_own_words_are_passed_on() {
    // The CA finds nobody at either port, so it says why it refuses.
    let Some(mut stand) = Stand::new(|ca| ca.http_port(9).tls_port(9)).await else { return };
    stand.wants("").await;
    let failed = eventually(60, async || {
        let certificate = certificates(&stand.gateway).await.remove(0);
        (certificate["state"] == "failing").then_some(certificate)
    })
    .await;
    let error = failed["last_error"].as_str().unwrap();
    assert!(error.contains("urn:ietf:params:acme:error:"), "the type of the problem: {error}");
    assert!(error.contains(HOST), "and the name: {error}");
}

#[tokio::test]
async fn a_ca_that_comes_back_is_asked_again() {
    let Some(mut stand) = Stand::new(|ca| ca).await else { return };
    stand.pebble.stop().await;
    stand.wants("").await;
    eventually(30, async || {
        let certificate = certificates(&stand.gateway).await.remove(0);
        (certificate["state"] == "failing").then_some(())
    })
    .await;
    stand.pebble.start_again().await;
    // Settings that change begin at once; the schedule's own minute is tested with a clock.
    stand.wants(", email: ops@example.com").await;
    stand.has_a_certificate().await;
    client(stand.gateway.address_at(1), &stand.pebble).await.get("/").send().await.assert_text("secured");
}
