//! How a tunnel ends, and what is told of it: numbers while it lives, one line in the access log when it is over.

use std::time::Duration;

use headwall_testkit::{Ending, Gateway, Origin, RawOrigin, Sockets, WebSocketEcho, Wire, eventually};
use serde_json::Value;

use super::{ACCEPTED, HANDSHAKE, tunnel_to};

/// A gateway that closes a tunnel soon, with a server behind it that accepts every handshake and then reads.
async fn impatient(limits: &str) -> (RawOrigin, Gateway) {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write(ACCEPTED).await;
        wire.read_until("finish").await;
        wire.finish().await;
        wire.read_to_end().await;
    })
    .await;
    let yaml = format!(
        "
        sites: [{{ routes: [{{ websocket: {{ upstream: app, {limits} }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{}\"] }} }}
        ",
        origin.address()
    );
    let gateway = Gateway::start(&yaml).await;
    (origin, gateway)
}

fn only_line(log: &[Value]) -> &Value {
    assert_eq!(log.len(), 1, "one line for a tunnel: {log:#?}");
    &log[0]
}

#[tokio::test]
async fn a_silent_tunnel_is_closed_after_its_idle_timeout() {
    let (_origin, gateway) = impatient("idle_timeout: 500ms").await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    client.read_head().await;
    let opened = tokio::time::Instant::now();
    assert_eq!(client.read_to_end().await, "");
    assert!(opened.elapsed() >= Duration::from_millis(450), "closed after {:?}", opened.elapsed());
    let log = gateway.stop().await;
    assert_eq!(only_line(&log)["reason"], "idle_timeout");
}

#[tokio::test]
async fn traffic_in_one_direction_keeps_a_tunnel_open() {
    let (_origin, gateway) = impatient("idle_timeout: 500ms").await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    client.read_head().await;
    // Three idle timeouts long, at a pace that a slow machine keeps too.
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..30 {
        pace.tick().await;
        client.write("tick").await;
    }
    assert_eq!(gateway.metric("headwall_websockets_open"), Some(1.0));
    client.write("finish").await;
    assert_eq!(client.read_to_end().await, "");
    drop(client);
    let log = gateway.stop().await;
    assert_eq!(only_line(&log)["reason"], "closed");
}

#[tokio::test]
async fn a_half_closed_tunnel_is_closed_after_its_linger_timeout() {
    let (_origin, gateway) = impatient("linger_timeout: 300ms").await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    client.read_head().await;
    client.write("finish").await;
    assert_eq!(client.read_to_end().await, "", "the server's end is passed on at once");
    let over = r#"headwall_websockets_closed_total{reason="linger_timeout"}"#;
    eventually(5, async || (gateway.metric(over) == Some(1.0)).then_some(())).await;
    let log = gateway.stop().await;
    assert_eq!(only_line(&log)["reason"], "linger_timeout");
}

#[tokio::test]
async fn a_client_that_vanishes_ends_its_tunnel() {
    let mut sockets = Sockets::new();
    let origin = Origin::builder().otherwise(sockets.route()).start().await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    client.read_head().await;
    let server = sockets.next().await;
    client.reset();
    assert!(matches!(server.ending().await, Ending::Cut(_)), "the server learns of it");
    let log = gateway.stop().await;
    assert_eq!(only_line(&log)["reason"], "connection_lost");
}

#[tokio::test]
async fn a_tunnel_is_counted_while_it_lives_and_after() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write(ACCEPTED.to_owned() + "early").await;
        wire.read_until("done").await;
        wire.write("so am I").await;
    })
    .await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    client.read_head().await;
    client.read_exactly(5).await;
    assert_eq!(gateway.metric("headwall_websockets_open"), Some(1.0));
    assert_eq!(gateway.metric("headwall_websockets_opened_total"), Some(1.0));
    let handshakes = r#"headwall_requests_total{method="GET",route="socket",site="app",status="1xx"}"#;
    assert_eq!(gateway.metric(handshakes), Some(1.0), "the handshake is the route's request");
    assert_eq!(
        gateway.metric(r#"headwall_requests_in_flight{route="socket",site="app"}"#),
        Some(0.0),
        "a tunnel is no request in flight"
    );

    client.write("I am done").await;
    assert_eq!(client.read_to_end().await, "so am I");
    drop(client);
    let closed = r#"headwall_websockets_closed_total{reason="closed"}"#;
    eventually(5, async || (gateway.metric(closed) == Some(1.0)).then_some(())).await;
    let rows = [
        ("headwall_websockets_open", 0.0),
        ("headwall_websockets_opened_total", 1.0),
        (r#"headwall_websocket_bytes_total{direction="received"}"#, 9.0),
        (r#"headwall_websocket_bytes_total{direction="sent"}"#, 12.0),
    ];
    for (name, value) in rows {
        assert_eq!(gateway.metric(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_tunnel_writes_one_line_when_it_is_over() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let server = origin.address();
    let gateway = tunnel_to(server).start().await;
    let agent = "Mozilla/5.0 (a browser)";
    let mut socket = gateway.client().websocket("/ws?room=1").header("user-agent", agent).open().await;
    socket.send("12345").await;
    socket.text().await;
    socket.close(1000, "").await;
    socket.ending().await;

    let log = gateway.stop().await;
    let line = only_line(&log);
    let rows = [
        ("kind", Value::from("websocket")),
        ("status", 101.into()),
        ("method", "GET".into()),
        ("uri", "/ws?room=1".into()),
        ("site", "app".into()),
        ("route", "socket".into()),
        ("upstream", "app".into()),
        ("server", server.to_string().into()),
        ("reason", "closed".into()),
        ("user_agent", agent.into()),
        // A masked frame of five bytes and a masked closing frame; the same without masks.
        ("bytes_received", (6 + 5 + 6 + 2).into()),
        ("bytes_sent", (2 + 5 + 2 + 2).into()),
    ];
    for (field, value) in rows {
        assert_eq!(line[field], value, "{field} in {line:#}");
    }
}
