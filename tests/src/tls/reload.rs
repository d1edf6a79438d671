//! Reloads of what concerns TLS: on and off, other certificates, more sites, and no request lost over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use headwall_testkit::{Client, Echo, Gateway, Origin, eventually, within};

use super::{Issuer, config, failures, in_front, site};

const HOST: &str = "app.example.com";

#[tokio::test]
async fn tls_is_switched_on_and_off_on_one_address() {
    let issuer = Issuer::new();
    let files = issuer.files(&[HOST]);
    let plain =
        "listeners: [{ address: \"127.0.0.1:0\" }]\nsites: [{ routes: [{ respond: { body: plain } }] }]\n";
    let secure =
        format!("listeners: [{{ address: \"127.0.0.1:0\", tls: true }}]\nsites:\n{}", site(HOST, &files));
    let mut gateway = Gateway::start(plain).await;
    let address = gateway.address();
    let kept = gateway.client().keep().await;
    kept.get("/").send().await.assert_text("plain");
    for _ in 0..2 {
        gateway.reload(&secure).await.unwrap();
        assert_eq!(gateway.address(), address);
        let over_tls = issuer.client(&gateway, HOST).http2().keep().await;
        over_tls.get("/").send().await.assert_text(HOST);
        gateway.client().get("/").send().await.assert_status(400);

        gateway.reload(plain).await.unwrap();
        gateway.client().get("/").send().await.assert_text("plain");
        assert!(issuer.client(&gateway, HOST).handshake().await.is_err(), "TLS is spoken no longer");
        let stayed = over_tls.get("/").send().await;
        stayed.assert_text("plain");
    }
    kept.get("/").send().await.assert_text("plain");
}

#[tokio::test]
async fn certificates_are_exchanged_and_sites_come_and_go() {
    let issuer = Issuer::new();
    let (first, second) = (issuer.authority.issue(&[HOST]), issuer.authority.issue(&[HOST]));
    let (first_files, second_files) = (issuer.put("first", &first), issuer.put("second", &second));
    let more = || site("more.test", &issuer.files(&["more.test"]));
    let mut gateway = Gateway::start(&config([site(HOST, &first_files)])).await;
    let client = issuer.client(&gateway, HOST);
    let open = client.clone().keep().await;
    assert_eq!(open.get("/").send().await.handshake().serial(), first.certificate().serial());

    gateway.reload(&config([site(HOST, &second_files), more()])).await.unwrap();
    let fresh = issuer.client(&gateway, HOST);
    assert_eq!(fresh.handshake().await.unwrap().serial(), second.certificate().serial());
    open.get("/").send().await.assert_text(HOST);
    issuer.client(&gateway, "more.test").get("/").send().await.assert_text("more.test");
    assert_eq!(gateway.admin("/certificates").await.json().as_array().unwrap().len(), 2);

    gateway.reload(&config([site(HOST, &second_files)])).await.unwrap();
    let gone = issuer.client(&gateway, "more.test").handshake().await.unwrap_err();
    assert_eq!(gone.alert().as_deref(), Some("UnrecognisedName"));
    assert_eq!(gateway.admin("/certificates").await.json().as_array().unwrap().len(), 1);
    let metrics = gateway.admin("/metrics").await.text();
    assert!(!metrics.contains("expiry_timestamp_seconds{certificate=\"more"), "{metrics}");
    assert!(!metrics.lines().any(|line| line.contains("expiry") && line.contains("more.test")), "{metrics}");
}

/// Asks until it is over, on one connection or on one for each request.
async fn ask(client: Client, keep: bool, over: Arc<AtomicBool>, requests: Arc<AtomicUsize>) {
    let client = if keep { client.keep().await } else { client };
    while !over.load(Ordering::SeqCst) {
        client.get("/").send().await.assert_status(200);
        client.post("/", "x".repeat(10_000)).send().await.assert_status(200);
        requests.fetch_add(2, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_reloads_under_load_lose_no_request() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    // Two certificates by turns, tickets and ciphers too, and a site that comes and goes.
    let files = [issuer.files(&[HOST]), issuer.put("other", &issuer.authority.issue(&[HOST]))];
    let variants = [
        in_front(HOST, &files[0], ""),
        in_front(
            HOST,
            &format!("{}, session_tickets: false", files[1]),
            "limits: { handshake_timeout: 9s }\n",
        ),
        in_front(HOST, &format!("{}, min_version: 1.3", files[1]), ""),
    ];
    let mut gateway = Gateway::config(&variants[0]).variable("APP", origin.address()).start().await;
    let (over, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = issuer.client(&gateway, HOST);
    let kinds = [
        (client.clone(), true),
        (client.clone().http2(), true),
        (client.clone(), false),
        (client.http2(), false),
    ];
    let clients = kinds.map(|(client, keep)| tokio::spawn(ask(client, keep, over.clone(), requests.clone())));
    within(60, async {
        for round in 1..=20 {
            let before = requests.load(Ordering::SeqCst);
            eventually(10, async || (requests.load(Ordering::SeqCst) >= before + 8).then_some(())).await;
            gateway.reload(&variants[round % 3]).await.unwrap();
        }
        over.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.unwrap();
        }
    })
    .await;
    for reason in ["timeout", "malformed", "incompatible", "no_certificate", "unknown_name"] {
        assert_eq!(failures(&gateway, reason), 0.0, "{reason}");
    }
    let log = gateway.stop().await;
    assert_eq!(log.len(), requests.load(Ordering::SeqCst), "a line for each request");
    assert!(log.iter().all(|line| line["status"] == 200));
}
