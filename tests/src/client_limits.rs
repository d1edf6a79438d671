//! What one client may take: time for a head, bytes of it, connections, idleness.

use std::time::Duration;

use headwall_testkit::{Client, Drain, Gateway, Origin, Wire};
use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::metric_is;

/// A server with these limits that answers `hello`.
async fn with_limits(limits: &str) -> Gateway {
    Gateway::start(&format!("limits: {limits}\nsites: [{{ routes: [{{ respond: {{ body: hello }} }}] }}]\n"))
        .await
}

/// Sends a whole head and gives the answer's.
async fn ask(gateway: &Gateway, head: &str) -> String {
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write(format!("{head}\r\n\r\n")).await;
    wire.read_head().await
}

#[tokio::test]
async fn a_head_that_is_not_complete_in_time_is_a_408() {
    let gateway = with_limits("{ header_timeout: 300ms }").await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["error"], "The request took too long to arrive here.");
    assert_eq!(gateway.metric("headwall_header_timeouts_total"), Some(1.0));
}

/// The attack known as Slowloris: each byte comes in time, the head never does.
#[tokio::test]
async fn a_head_that_trickles_in_gets_no_more_time() {
    let gateway = with_limits("{ header_timeout: 300ms }").await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET / HTTP/1.1\r\nX-Slow: ").await;
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = 0;
    while sent < 500 && wire.try_write("x").await.is_ok() {
        sent += 1;
        ticks.tick().await;
    }
    assert!(sent < 500, "10 s after its first byte the head was still being waited for");
    assert_eq!(gateway.metric("headwall_header_timeouts_total"), Some(1.0));
}

#[tokio::test]
async fn the_second_head_of_a_connection_has_a_deadline_too() {
    let gateway = with_limits("{ header_timeout: 300ms }").await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.read_until("hello").await;
    wire.write("GET / HTTP/1.1\r\n").await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let gateway = with_limits("{ header_timeout: 300ms }").await;
    let mut wire = Wire::connect(gateway.address()).await;
    assert_eq!(wire.read_to_end().await, "");
    metric_is(&gateway, "headwall_connections_open", 0.0).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let gateway = with_limits("{ keepalive_timeout: 300ms }").await;
    let client = Client::connect(gateway.address()).await;
    for _ in 0..3 {
        client.get("/").send().await.assert_status(200);
    }
    client.closed().await;
    metric_is(&gateway, "headwall_connections_open", 0.0).await;
    assert_eq!(gateway.metric("headwall_header_timeouts_total"), Some(0.0), "nobody was late");
}

/// Limits on the head end with the head.
#[tokio::test]
async fn an_upload_may_take_longer_than_a_head() {
    let drain = Drain::new();
    let origin = Origin::builder().otherwise(drain.clone()).start().await;
    let gateway = Gateway::config(
        r#"
        limits: { header_timeout: 200ms, keepalive_timeout: 200ms }
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let (feed, call) = gateway.client().post("/", "").streamed();
    let reply = tokio::spawn(call.send());
    let mut ticks = interval(Duration::from_millis(100));
    for sent in 1..=6 {
        ticks.tick().await;
        feed.send("x").await.unwrap();
        drain.reached(sent).await;
    }
    feed.end();
    reply.await.unwrap().assert_status(200);
}

#[tokio::test]
async fn an_upload_that_stops_is_given_up() {
    let drain = Drain::new();
    let origin = Origin::builder().otherwise(drain.clone()).start().await;
    let gateway = Gateway::config(
        r#"
        limits: { body_timeout: 300ms }
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let (feed, call) = gateway.client().post("/", "").streamed();
    let reply = tokio::spawn(call.send());
    feed.send("begun").await.unwrap();
    drain.reached(5).await;
    reply.await.unwrap().assert_status(408);
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&408.into(), &"client_timeout".into()));
}

#[tokio::test]
async fn too_much_of_a_head_is_refused_with_the_status_for_it() {
    let gateway = with_limits("{ max_header_size: 4k, max_header_count: 10, max_request_line: 1k }").await;
    let fields = |count: usize| (1..=count).map(|n| format!("\r\nX-{n}: 1")).collect::<String>();
    let rows = [
        (format!("GET /{} HTTP/1.1\r\nHost: a", "x".repeat(900)), 200, "a long path"),
        (format!("GET /{} HTTP/1.1\r\nHost: a", "x".repeat(1100)), 414, "too long a path"),
        (format!("GET /?{} HTTP/1.1\r\nHost: a", "x".repeat(1100)), 414, "too long a query"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}", "x".repeat(3900)), 200, "a large head"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}", "x".repeat(4100)), 431, "too large a head"),
        (format!("GET / HTTP/1.1\r\nHost: a{}", fields(9)), 200, "as many fields as are allowed"),
        (format!("GET / HTTP/1.1\r\nHost: a{}", fields(10)), 431, "a field too many"),
        (format!("GET / HTTP/1.1\r\nHost: a{}", fields(200)), 431, "many fields too many"),
    ];
    for (head, status, row) in &rows {
        let answer = ask(&gateway, head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{row}: {answer}");
    }
    let log = gateway.stop().await;
    assert_eq!(log[1]["reason"], "request_line_too_long");
    assert_eq!(log[4]["reason"], "headers_too_large");
    assert_eq!(log[6]["reason"], "headers_too_large");
}

#[tokio::test]
async fn a_request_without_a_host_is_a_400() {
    let gateway = with_limits("{}").await;
    let answer = ask(&gateway, "GET / HTTP/1.1\r\nAccept: */*").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(gateway.stop().await[0]["reason"], "missing_host");
}

#[tokio::test]
async fn a_request_with_two_lengths_is_a_400_that_no_filter_sees() {
    for (name, length) in [("Content-Length", 5), ("content-LENGTH", 0)] {
        let gateway = with_limits("{}").await;
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{name}: {length}\r\nTransfer-Encoding: chunked");
        let answer = ask(&gateway, &head).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("connection: close") || answer.contains("Connection: close"), "{answer}");
        assert_eq!(gateway.stop().await[0]["reason"], "ambiguous_length");
    }
}

#[tokio::test]
async fn a_connection_too_many_is_closed_at_once_and_counted() {
    let gateway = with_limits("{ max_connections: 2 }").await;
    let (one, two) = (Client::connect(gateway.address()).await, Client::connect(gateway.address()).await);
    one.get("/").send().await.assert_status(200);
    two.get("/").send().await.assert_status(200);

    let mut third = Wire::connect(gateway.address()).await;
    assert_eq!(third.read_to_end().await, "");
    assert_eq!(gateway.metric("headwall_connections_refused_total"), Some(1.0));
    assert_eq!(gateway.metric("headwall_connections_open"), Some(2.0));
    one.get("/").send().await.assert_status(200);

    drop(two);
    metric_is(&gateway, "headwall_connections_open", 1.0).await;
    gateway.client().get("/").send().await.assert_status(200);
}
