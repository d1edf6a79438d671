//! What a reload leaves alone because it did not change: counts of limits, health, connections.

use headwall_testkit::{Fixed, Gateway, Message, Origin, WebSocketEcho};

#[tokio::test]
async fn a_limit_that_did_not_change_keeps_its_counts() {
    let config = |rate: &str, body: &str| {
        format!(
            "
            sites:
              - name: app
                routes:
                  - {{ name: login, filters: [{{ rate_limit: {{ rate: {rate}, burst: 1 }} }}], respond: {{ body: {body} }} }}
            "
        )
    };
    let mut gateway = Gateway::start(&config("1r/m", "one")).await;
    let client = gateway.client();
    for _ in 0..2 {
        client.get("/").send().await.assert_status(200);
    }
    client.get("/").send().await.assert_status(429);

    gateway.reload(&config("1r/m", "two")).await.unwrap();
    client.get("/").send().await.assert_status(429);
    gateway.reload(&config("1r/m", "three")).await.unwrap();
    client.get("/").send().await.assert_status(429);

    gateway.reload(&config("2r/m", "four")).await.unwrap();
    client.get("/").send().await.assert_status(200).assert_text("four");
    client.get("/").send().await.assert_status(200);
    client.get("/").send().await.assert_status(429);
}

/// Config with one checked upstream. What changes is a route, or the check's timeout.
fn checked(route: &str, timeout: &str) -> String {
    format!(
        "
        sites: [{{ routes: [{{ name: {route}, api: {{ upstream: app }} }}] }}]
        upstreams:
          app: {{ servers: [\"${{APP}}\"], health_check: {{ path: /health, interval: 1h, timeout: {timeout} }} }}
        "
    )
}

#[tokio::test]
async fn an_upstream_that_did_not_change_keeps_its_health() {
    for (status, up) in [(200, 1.0), (500, 0.0)] {
        let origin =
            Origin::builder().route("/health", Fixed::status(status)).otherwise("hello").start().await;
        let mut gateway =
            Gateway::config(&checked("one", "5s")).variable("APP", origin.address()).start().await;
        let metric =
            format!(r#"headwall_upstream_server_up{{server="{}",upstream="app"}}"#, origin.address());
        for route in ["two", "three"] {
            gateway.reload(&checked(route, "5s")).await.unwrap();
            assert_eq!(gateway.metric(&metric), Some(up), "{status}");
            let expected = if up > 0.0 { 200 } else { 503 };
            gateway.client().get("/").send().await.assert_status(expected);
        }
        assert_eq!(origin.hits_of("/health"), 1, "{status}: nobody asked again");

        gateway.reload(&checked("three", "4s")).await.unwrap();
        assert_eq!(origin.hits_of("/health"), 2, "{status}: another check begins anew");
        assert_eq!(gateway.metric(&metric), Some(up), "{status}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_no_longer_checked_nor_shown_in_readiness() {
    let origin = Origin::builder().route("/health", Fixed::status(500)).otherwise("hello").start().await;
    let mut gateway = Gateway::config(&checked("one", "5s")).variable("APP", origin.address()).start().await;
    gateway.admin("/readyz").await.assert_status(503);
    gateway.reload("sites: [{ routes: [{ respond: { body: hello } }] }]").await.unwrap();
    let ready = gateway.admin("/readyz").await;
    ready.assert_status(200);
    assert_eq!(ready.json()["upstreams"], serde_json::json!([]));
}

#[tokio::test]
async fn connections_to_an_upstream_are_kept() {
    let origin = Origin::fixed("hello").await;
    let config = |route: &str| {
        format!(
            "
            sites: [{{ routes: [{{ name: {route}, api: {{ upstream: app }} }}] }}]
            upstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}
            "
        )
    };
    let mut gateway = Gateway::config(&config("one")).variable("APP", origin.address()).start().await;
    for route in ["two", "three", "four"] {
        gateway.client().get("/").send().await.assert_status(200);
        gateway.client().get("/").send().await.assert_status(200);
        gateway.reload(&config(route)).await.unwrap();
    }
    assert_eq!(origin.connections(), 1, "six requests and three reloads");
}

#[tokio::test]
async fn counters_go_on_counting() {
    let config = |body: &str| {
        format!("sites: [{{ name: app, routes: [{{ name: page, respond: {{ body: {body} }} }}] }}]")
    };
    let mut gateway = Gateway::start(&config("one")).await;
    let requests = r#"headwall_requests_total{method="GET",route="page",site="app",status="2xx"}"#;
    for (round, body) in ["two", "three", "four"].into_iter().enumerate() {
        gateway.client().get("/").send().await.assert_status(200);
        gateway.reload(&config(body)).await.unwrap();
        assert_eq!(gateway.metric(requests), Some(round as f64 + 1.0));
    }
}

#[tokio::test]
async fn a_tunnel_does_not_keep_the_checks_of_an_upstream_that_is_gone() {
    let origin = Origin::builder().route("/ws", WebSocketEcho::new()).route("/health", "ok").start().await;
    let with_app = "
        sites: [{ routes: [{ match: { path: /ws }, websocket: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${APP}\"], health_check: { path: /health, interval: 500ms } } }
    ";
    let mut gateway = Gateway::config(with_app).variable("APP", origin.address()).start().await;
    let mut socket = gateway.client().websocket("/ws").open().await;
    let up = format!(r#"headwall_upstream_server_up{{server="{}",upstream="app"}}"#, origin.address());
    assert_eq!(gateway.metric(&up), Some(1.0));
    origin.reached(3).await; // the first look, the handshake, and a check that came by itself

    gateway.reload("sites: [{ routes: [{ respond: {} }] }]").await.unwrap();
    assert_eq!(gateway.metric(&up), None, "nothing is known of it any more");
    let checks = origin.hits_of("/health");
    // Two intervals of a clock that runs while the socket speaks.
    let since = tokio::time::Instant::now();
    while since.elapsed() < std::time::Duration::from_millis(1_200) {
        socket.send(Message::text("still here")).await;
        assert_eq!(socket.text().await, "still here");
    }
    assert!(origin.hits_of("/health") <= checks + 1, "at most one that was under way");
}
