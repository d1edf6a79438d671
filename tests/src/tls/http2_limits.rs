//! What one client may take over HTTP/2: streams, header fields, time.

use std::time::Duration;

use headwall_testkit::{Gate, Gateway, Origin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Issuer, in_front};

const HOST: &str = "app.example.com";

async fn gateway(issuer: &Issuer, origin: &Origin, limits: &str) -> Gateway {
    let yaml = in_front(HOST, &issuer.files(&[HOST]), &format!("limits: {{ {limits} }}\n"));
    Gateway::config(&yaml).variable("APP", origin.address()).start().await
}

#[tokio::test]
async fn more_streams_than_are_allowed_wait_for_their_turn() {
    let issuer = Issuer::new();
    let gate = Gate::closed();
    let origin = Origin::builder().route("/held", gate.then("held")).otherwise("hello").start().await;
    let gateway = gateway(&issuer, &origin, "max_concurrent_streams: 4").await;
    let client = issuer.client(&gateway, HOST).http2().keep().await;
    // What the server allows is known with its first answer.
    client.get("/").send().await.assert_status(200);
    let calls: Vec<_> = (0..12).map(|_| tokio::spawn(client.get("/held").send())).collect();
    gate.reached(4).await;
    let other = issuer.client(&gateway, HOST).http2();
    other.get("/").send().await.assert_status(200);
    assert_eq!(origin.hits_of("/held"), 4, "the others have not begun");
    gate.open();
    for call in calls {
        call.await.unwrap().assert_status(200);
    }
    assert_eq!(origin.hits_of("/held"), 12);
}

#[tokio::test]
async fn a_header_list_that_is_too_long_costs_its_own_request_only() {
    let issuer = Issuer::new();
    let gate = Gate::closed();
    let origin = Origin::builder().route("/held", gate.then("held")).otherwise("hello").start().await;
    let gateway = gateway(&issuer, &origin, "max_header_size: 8k, max_header_count: 50").await;
    let client = issuer.client(&gateway, HOST).http2().keep().await;
    let held = tokio::spawn(client.get("/held").send());
    gate.reached(1).await;
    let long = client.get("/long").header("x-long", &"x".repeat(9 << 10)).try_send().await;
    if let Ok(reply) = long {
        reply.assert_status(431);
    }
    let many = (0..60).fold(client.get("/many"), |call, n| call.header(&format!("x-{n}"), "x"));
    many.send().await.assert_status(431);
    client.get("/").header("x-long", &"x".repeat(6 << 10)).send().await.assert_status(200);
    gate.open();
    held.await.unwrap().assert_status(200);
    assert_eq!(origin.hits_of("/long") + origin.hits_of("/many"), 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let issuer = Issuer::new();
    let gate = Gate::closed();
    let origin = Origin::builder().route("/held", gate.then("held")).otherwise("hello").start().await;
    let gateway = gateway(&issuer, &origin, "keepalive_timeout: 1s").await;
    let busy = issuer.client(&gateway, HOST).http2().keep().await;
    let held = tokio::spawn(busy.get("/held").send());
    gate.reached(1).await;
    let idle = issuer.client(&gateway, HOST).http2().keep().await;
    idle.get("/").send().await.assert_status(200);
    let began = std::time::Instant::now();
    idle.closed().await;
    assert!(began.elapsed() > Duration::from_millis(800), "{:?}", began.elapsed());
    busy.get("/").send().await.assert_status(200);
    gate.open();
    held.await.unwrap().assert_status(200);
}

#[tokio::test]
async fn a_preface_that_does_not_come_is_not_waited_for() {
    let issuer = Issuer::new();
    let origin = Origin::fixed("hello").await;
    let gateway = gateway(&issuer, &origin, "header_timeout: 300ms").await;
    for said in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let client = issuer.client(&gateway, HOST).http2();
        let mut stream = client.tls_stream().await.unwrap();
        stream.write_all(said).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = Vec::new();
        // Far less than any other deadline of a connection.
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "after {:?} it is still open", String::from_utf8_lossy(said));
        assert!(!rest.starts_with(b"HTTP/1"), "nobody there understands HTTP/1: {rest:?}");
    }
    let open = async || gateway.metric("headwall_connections_open").filter(|open| *open == 0.0);
    headwall_testkit::eventually(10, open).await;
}

/// GOAWAY first names the highest stream there can be, so that no request is lost that was on its way.
#[tokio::test]
async fn a_connection_that_has_asked_for_enough_is_ended_and_nothing_is_lost() {
    let issuer = Issuer::new();
    let gate = Gate::closed();
    let origin = Origin::builder().route("/held", gate.then("held")).otherwise("hello").start().await;
    let gateway = gateway(&issuer, &origin, "max_requests_per_connection: 20").await;
    let client = issuer.client(&gateway, HOST).http2().keep().await;
    let held = tokio::spawn(client.get("/held").send());
    gate.reached(1).await;
    for _ in 0..19 {
        client.get("/").send().await.assert_status(200);
    }
    // What comes after that is on the way already, or the client knows better.
    let mut more = 0;
    while more < 200 && client.get("/").try_send().await.is_ok() {
        more += 1;
    }
    assert!(more < 200, "the connection goes on after {more} requests more");
    gate.open();
    held.await.unwrap().assert_status(200);
    client.closed().await;
    let clean =
        gateway.metric("headwall_http2_errors_total{kind=\"connection\",reason=\"enhance_your_calm\"}");
    assert_eq!(clean, None, "an end without an error is none");
}
