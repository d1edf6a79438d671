//! How a certificate is obtained.

use headwall_testkit::eventually;

use super::{HOST, Stand, certificates};

#[tokio::test]
async fn a_certificate_is_obtained_over_plain_http() {
    let Some(mut stand) = Stand::new(|ca| ca).await else { return };
    stand.wants(", challenges: [http-01], email: ops@example.com").await;
    stand.has_a_certificate().await;

    let reply = stand.client().await.get("/").send().await;
    reply.assert_status(200).assert_text("secured");
    assert_eq!(reply.handshake().certificate().names(), [HOST]);
    assert_eq!(stand.renewals(), 1.0);
    let expiry = stand.gateway.metric(&format!(
        "headwall_certificate_expiry_timestamp_seconds{{certificate=\"{HOST}\",site=\"{HOST}\",source=\"acme\"}}"
    ));
    assert!(expiry.is_some_and(|end| end > 1_700_000_000.0), "{expiry:?}");

    let certificate = &certificates(&stand.gateway).await[0];
    assert_eq!(certificate["certificate"], HOST);
    assert_eq!(certificate["source"], "acme");
    assert_eq!(certificate["serial"], reply.handshake().serial());
    eventually(10, async || {
        let certificate = certificates(&stand.gateway).await.remove(0);
        certificate["next_attempt"].is_string().then_some(())
    })
    .await;
    stand.gateway.admin("/readyz").await.assert_status(200);

    // The challenge is over, and what is not a challenge is sent to HTTPS like everything else.
    let client = stand.gateway.client().host(HOST);
    let leftover = client.get("/.well-known/acme-challenge/unknown").send().await;
    leftover.assert_status(308);
}

#[tokio::test]
async fn a_certificate_is_obtained_in_a_handshake() {
    let Some(mut stand) = Stand::new(|ca| ca).await else { return };
    stand.wants(", challenges: [tls-alpn-01]").await;
    stand.has_a_certificate().await;
    let client = stand.client().await;
    client.get("/").send().await.assert_status(200).assert_text("secured");
    let asked = client.alpn(&["acme-tls/1"]).handshake().await;
    assert!(asked.is_err(), "who asks for a challenge that is over gets nothing");
    let failures = stand.gateway.admin("/metrics").await.text();
    let expected = "headwall_tls_handshake_failures_total{reason=\"no_challenge\"} 1";
    assert!(failures.contains(expected), "{failures}");
}

#[tokio::test]
async fn where_one_challenge_fails_the_other_one_is_tried() {
    // Port 80 is nobody's, as behind many a router.
    let Some(mut stand) = Stand::new(|ca| ca.http_port(9)).await else { return };
    stand.wants("").await;
    stand.has_a_certificate().await;
    stand.client().await.get("/").send().await.assert_text("secured");
}

#[tokio::test]
async fn a_ca_that_rejects_nonces_and_takes_its_time_is_borne_with() {
    let Some(mut stand) = Stand::new(|ca| ca.nonce_reject(50).order_delay(2)).await else { return };
    stand.wants("").await;
    stand.has_a_certificate().await;
    stand.client().await.get("/").send().await.assert_text("secured");
}
