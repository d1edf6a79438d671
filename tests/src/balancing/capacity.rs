//! Servers that are full, and requests that wait.

use headwall_testkit::{Gate, Gateway, Origin, Reply, WebSocketEcho, Wire, eventually};

use super::{answers, in_front_of, server, upstream};

const ONE: &str = "{ address: \"${A}\", max_connections: 1 }";

fn waiting(gateway: &Gateway) -> Option<f64> {
    gateway.metric(r#"headwall_upstream_waiting{upstream="app"}"#)
}

/// The reason of the last line of the log.
async fn reason(gateway: Gateway) -> String {
    let log = gateway.stop().await;
    log.iter().rev().find_map(|line| line["reason"].as_str()).unwrap_or_default().to_owned()
}

fn assert_busy(reply: &Reply, row: &str) {
    assert_eq!(reply.status, 503, "{row}: {reply}");
    assert!(reply.header("retry-after").is_some(), "{row}: {reply}");
}

#[tokio::test]
async fn a_server_gets_no_more_than_it_may_have() {
    let gate = Gate::closed();
    let a = server("a", &gate).await;
    let rows =
        [(ONE, "policy: random", "of a server"), ("\"${A}\"", "max_connections: 1", "of all together")];
    for (round, (servers, settings, row)) in rows.into_iter().enumerate() {
        gate.close();
        let gateway = in_front_of(&[&a], servers, settings).start().await;
        let held = tokio::spawn(gateway.client().get("/slow").send());
        gate.reached(round + 1).await;
        assert_busy(&gateway.client().get("/").send().await, row);
        gate.open();
        held.await.unwrap().assert_status(200);
        eventually(10, async || (gateway.client().get("/").send().await.status == 200).then_some(())).await;
        assert_eq!(reason(gateway).await, "upstream_full", "{row}");
    }
}

#[tokio::test]
async fn requests_wait_for_a_place_in_the_order_of_their_coming() {
    let gate = Gate::closed();
    let a = server("a", &gate).await;
    let rows = [
        (ONE, "queue: { length: 3, timeout: 20s }", "of a server"),
        ("\"${A}\"", "max_connections: 1, queue: { length: 3, timeout: 20s }", "of all together"),
    ];
    for (round, (servers, settings, row)) in rows.into_iter().enumerate() {
        gate.close();
        let gateway = in_front_of(&[&a], servers, settings).start().await;
        let held = tokio::spawn(gateway.client().get("/slow").send());
        gate.reached(round + 1).await;
        let before = a.hits();
        let mut queued = Vec::new();
        for number in 0..3 {
            queued.push(tokio::spawn(gateway.client().get(&format!("/{number}")).send()));
            eventually(10, async || (waiting(&gateway) == Some(f64::from(number + 1))).then_some(())).await;
        }
        assert_busy(&gateway.client().get("/4").send().await, "the queue is full");
        assert_eq!(a.hits(), before, "{row}: nobody is let in");
        gate.open();
        held.await.unwrap().assert_status(200);
        for queued in queued {
            queued.await.unwrap().assert_status(200);
        }
        let order: Vec<_> = a.requests()[before..].iter().map(|seen| seen.uri.path().to_owned()).collect();
        assert_eq!(order, ["/0", "/1", "/2"], "{row}");
        assert_eq!(waiting(&gateway), Some(0.0), "{row}");
    }
}

#[tokio::test]
async fn a_request_that_waits_too_long_is_answered() {
    let gate = Gate::closed();
    let a = server("a", &gate).await;
    let gateway = in_front_of(&[&a], ONE, "queue: { timeout: 200ms }").start().await;
    let held = tokio::spawn(gateway.client().get("/slow").send());
    gate.reached(1).await;
    assert_busy(&gateway.client().get("/").send().await, "it has waited");
    gate.open();
    held.await.unwrap().assert_status(200);
    assert_eq!(reason(gateway).await, "upstream_queue_timeout");
}

#[tokio::test]
async fn a_client_that_leaves_gives_up_its_turn() {
    let gate = Gate::closed();
    let a = server("a", &gate).await;
    let yaml = upstream(ONE, "queue: { length: 1, timeout: 60s }");
    let yaml = format!(
        "listeners: [{{ address: \"127.0.0.1:0\", http2: true }}]\n{}",
        yaml.replace("\n        ", "\n")
    );
    let gateway = Gateway::config(&yaml).variable("A", a.address()).start().await;
    let held = tokio::spawn(gateway.client().get("/slow").send());
    gate.reached(1).await;
    let is_waiting =
        async |count: f64| eventually(10, async || (waiting(&gateway) == Some(count)).then_some(())).await;

    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET /closes HTTP/1.1\r\nhost: a\r\n\r\n").await;
    is_waiting(1.0).await;
    drop(wire);
    is_waiting(0.0).await;

    let http2 = gateway.client().http2().keep().await;
    let resets = tokio::spawn(http2.post("/resets", "a body").send());
    is_waiting(1.0).await;
    resets.abort();
    is_waiting(0.0).await;

    let stays = tokio::spawn(http2.post("/stays", "a body").send());
    is_waiting(1.0).await;
    gate.open();
    held.await.unwrap().assert_status(200);
    stays.await.unwrap().assert_status(200);
    let asked: Vec<_> = a.requests().iter().map(|seen| seen.path().to_owned()).collect();
    assert_eq!(asked, ["/slow", "/stays"], "nobody is asked for those who have left");
    assert_eq!(a.requests()[1].text(), "a body");
    let log = gateway.stop().await;
    let left: Vec<_> = log.iter().filter(|line| line["reason"] == "client_closed").collect();
    assert_eq!(left.len(), 2, "{log:?}");
}

#[tokio::test]
async fn a_backup_takes_what_is_too_much_for_the_others() {
    let gate = Gate::closed();
    let (a, b) = (server("a", &gate).await, server("b", &gate).await);
    let servers = format!("{ONE}, {{ address: \"${{B}}\", backup: true }}");
    let gateway = in_front_of(&[&a, &b], &servers, "queue: {}").start().await;
    let held = tokio::spawn(gateway.client().get("/slow").send());
    gate.reached(1).await;
    assert_eq!(answers(&gateway.client(), 3).await, "bbb");
    gate.open();
    held.await.unwrap().assert_status(200).assert_text("a");
}

#[tokio::test]
async fn a_tunnel_has_a_place_for_as_long_as_it_lives() {
    let origin = Origin::builder().route("/ws", WebSocketEcho::new()).otherwise("a").start().await;
    let gateway = Gateway::config(
        "
        sites:
          - routes:
              - { match: { path: /ws }, websocket: { upstream: app } }
              - { api: { upstream: app } }
        upstreams: { app: { servers: [{ address: \"${APP}\", max_connections: 1 }] } }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let mut socket = gateway.client().websocket("/ws").open().await;
    assert_busy(&gateway.client().get("/").send().await, "the tunnel has it");
    socket.close(1000, "").await;
    drop(socket);
    eventually(10, async || (gateway.client().get("/").send().await.status == 200).then_some(())).await;
}
