//! What becomes of a certificate that is there: restarts, renewals, and others who share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use headwall_testkit::{Gateway, eventually};
use tokio::task::JoinSet;

use super::{Stand, acme, certificates, has_a_certificate};

/// Another gateway on the storage of the first, as after a restart or on another machine.
async fn beside(stand: &Stand) -> Gateway {
    Gateway::config(&acme(""))
        .variable("STORAGE", stand.storage.path().display())
        .variable("DIRECTORY", stand.pebble.directory())
        .variable("CA", stand.pebble.root_pem_path().display())
        .start()
        .await
}

#[tokio::test]
async fn a_restart_serves_what_was_stored_while_the_ca_is_down() {
    let Some(mut stand) = Stand::new(|ca| ca).await else { return };
    stand.wants("").await;
    stand.has_a_certificate().await;
    let root = headwall_testkit::Trust::pem(&stand.pebble.issuer_root().await);
    let before = stand.client().await.get("/").send().await.handshake().serial();
    stand.pebble.stop().await;

    let restarted = beside(&stand).await;
    let client = restarted.client_at(1).host(super::HOST).tls(root).server_name(super::HOST);
    let reply = eventually(10, async || client.get("/").try_send().await.ok()).await;
    assert_eq!(reply.handshake().serial(), before);
    restarted.admin("/readyz").await.assert_status(200);
}

#[tokio::test]
async fn two_processes_on_one_storage_obtain_one_certificate() {
    let Some(mut stand) = Stand::new(|ca| ca).await else { return };
    // The CA can only reach the first one. Whoever makes the order, the first one answers for it.
    let second = beside(&stand).await;
    stand.wants("").await;
    stand.has_a_certificate().await;
    has_a_certificate(&second).await;
    let serials =
        [&certificates(&stand.gateway).await[0]["serial"], &certificates(&second).await[0]["serial"]]
            .map(ToString::to_string);
    assert_eq!(serials[0], serials[1]);
    let issued = stand.pebble.log().matches("Issued certificate serial").count();
    assert_eq!(issued, 1, "{}", stand.pebble.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_go_unnoticed_under_load() {
    // Twelve seconds: a third is left after eight.
    let Some(mut stand) = Stand::new(|ca| ca.validity(12)).await else { return };
    stand.wants("").await;
    stand.has_a_certificate().await;
    let first = certificates(&stand.gateway).await[0]["serial"].to_string();

    let (stop, handshakes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let client = stand.client().await;
        let (stop, handshakes) = (stop.clone(), handshakes.clone());
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                // Each request is a connection and a handshake, verified, with the time of day.
                client.get("/").send().await.assert_text("secured");
                handshakes.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    eventually(40, async || (stand.renewals() >= 3.0).then_some(())).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.expect("no handshake has failed");
    }
    let now = &certificates(&stand.gateway).await[0];
    assert_ne!(now["serial"].to_string(), first);
    assert_eq!(now["failures"], serde_json::Value::Null, "{now}");
    assert!(handshakes.load(Ordering::Relaxed) > 100, "there was load");
}
