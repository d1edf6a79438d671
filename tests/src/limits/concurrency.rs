//! `concurrency_limit`: how many at once.

use headwall_testkit::{Client, Gate, Gateway, Origin, WebSocketEcho, eventually};

use crate::metrics::metric_is;

/// An origin that holds its answers back, behind a limit.
async fn held(gate: &Gate, settings: &str) -> (Gateway, Origin) {
    let origin = Origin::builder()
        .route("/slow", gate.then("done"))
        .route("/ws", WebSocketEcho::new())
        .otherwise("hello")
        .start()
        .await;
    let gateway = Gateway::config(&format!(
        "
        client: {{ trusted_proxies: [127.0.0.1] }}
        sites:
          - name: app
            routes:
              - name: ws
                match: {{ path: /ws }}
                filters: [{{ concurrency_limit: {settings} }}]
                websocket: {{ upstream: app }}
              - name: all
                filters: [{{ concurrency_limit: {settings} }}]
                api: {{ upstream: app }}
        upstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}
        "
    ))
    .variable("APP", origin.address())
    .start()
    .await;
    (gateway, origin)
}

fn decisions(decision: &str) -> String {
    format!("headwall_concurrency_limit_decisions_total{{decision=\"{decision}\",place=\"app/all\"}}")
}

#[tokio::test]
async fn so_many_are_served_at_once_and_one_more_is_refused() {
    let gate = Gate::closed();
    let (gateway, _origin) = held(&gate, "{ limit: 2 }").await;
    let slow = || {
        let client = Client::to(gateway.address());
        tokio::spawn(async move { client.get("/slow").send().await.status.as_u16() })
    };
    let running = [slow(), slow()];
    gate.reached(2).await;
    let refused = gateway.client().get("/fast").send().await;
    refused.assert_status(429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let other = gateway.client().get("/fast").header("x-forwarded-for", "192.0.2.1").send().await;
    other.assert_status(200);
    gate.open();
    for task in running {
        assert_eq!(task.await.unwrap(), 200);
    }
    // A place is given back when the request is over, which may be a moment after its last byte.
    let free = async || (gateway.client().get("/fast").send().await.status == 200).then_some(());
    eventually(5, free).await;
    assert!(gateway.metric(&decisions("rejected")).unwrap() >= 1.0);
    let log = gateway.stop().await;
    assert!(log.iter().any(|line| line["reason"] == "too_many_in_flight"));
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let gate = Gate::closed();
    let (gateway, _origin) = held(&gate, "{ limit: 1 }").await;
    let client = Client::to(gateway.address());
    let task = tokio::spawn(async move { client.get("/slow").send().await });
    gate.reached(1).await;
    gateway.client().get("/fast").send().await.assert_status(429);
    task.abort();
    let free = async || (gateway.client().get("/fast").send().await.status == 200).then_some(());
    eventually(10, free).await;
    gate.open();
}

#[tokio::test]
async fn a_websocket_counts_until_it_is_closed() {
    let (gateway, _origin) = held(&Gate::closed(), "{ limit: 1, zone: clients }").await;
    let mut socket = gateway.client().websocket("/ws").open().await;
    gateway.client().get("/fast").send().await.assert_status(429);
    socket.close(1000, "").await;
    socket.ending().await;
    let free = async || (gateway.client().get("/fast").send().await.status == 200).then_some(());
    eventually(5, free).await;
}

#[tokio::test]
async fn with_key_route_everybody_counts_as_one_and_a_dry_run_only_tells() {
    let gate = Gate::closed();
    let (gateway, _origin) = held(&gate, "{ limit: 1, key: route, dry_run: true }").await;
    let client = Client::to(gateway.address());
    let running = tokio::spawn(async move { client.get("/slow").send().await });
    gate.reached(1).await;
    let other = gateway.client().get("/fast").header("x-forwarded-for", "192.0.2.1").send().await;
    other.assert_status(200);
    metric_is(&gateway, &decisions("rejected_dry_run"), 1.0).await;
    gate.open();
    running.await.unwrap().assert_status(200);
}

#[tokio::test]
async fn who_is_in_stays_counted_over_a_reload() {
    let gate = Gate::closed();
    let origin = Origin::builder().route("/slow", gate.then("done")).otherwise("hello").start().await;
    let config = |limit: u32| {
        format!(
            "
            sites:
              - routes:
                  - {{ name: all, filters: [{{ concurrency_limit: {{ limit: {limit}, status: 503 }} }}], api: {{ upstream: app }} }}
            upstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}
            "
        )
    };
    let mut gateway = Gateway::config(&config(2)).variable("APP", origin.address()).start().await;
    let client = Client::to(gateway.address());
    let running = tokio::spawn(async move { client.get("/slow").send().await });
    gate.reached(1).await;
    gateway.reload(&config(1)).await.unwrap();
    gateway.client().get("/fast").send().await.assert_status(503);
    gate.open();
    running.await.unwrap().assert_status(200);
}
