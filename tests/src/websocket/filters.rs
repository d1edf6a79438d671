//! A handshake is a request like any other: it passes the same filters and carries the same headers.

use std::sync::Arc;
use std::time::Duration;

use headwall::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, RequestHead, Server, async_trait,
};
use headwall_testkit::{Gateway, Origin, RawOrigin, WebSocketEcho, Wire};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ACCEPTED, HANDSHAKE, tunnel_to};

/// A filter that has to wait for something, as one that asks a database does.
#[derive(Debug, Serialize, Deserialize, JsonSchema, garde::Validate)]
struct Ponder {}

/// A filter that lets nobody in without a token.
#[derive(Debug, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[garde(allow_unvalidated)]
struct Token {
    value: String,
}

struct Pondering;

struct Guard(String);

impl Module for Ponder {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Pondering))
    }
}

impl Module for Token {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Guard(format!("Bearer {}", self.value))))
    }
}

#[async_trait]
impl Filter for Pondering {
    async fn request(&self, _: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(Flow::Continue)
    }
}

#[async_trait]
impl Filter for Guard {
    async fn request(&self, req: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        if req.headers.get("authorization").is_some_and(|value| value == self.0.as_str()) {
            return Ok(Flow::Continue);
        }
        Ok(Flow::Reply(LocalReply::error(StatusCode::UNAUTHORIZED, "no_token")))
    }
}

/// A gateway with one route, which tunnels behind these filters.
async fn behind(filters: &str, server: std::net::SocketAddr) -> Gateway {
    let yaml = format!(
        "
        sites: [{{ name: app, routes: [{{ name: socket, filters: {filters}, websocket: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{server}\"] }} }}
        "
    );
    let server = Server::new().filter::<Ponder>("ponder").filter::<Token>("token");
    Gateway::config(&yaml).server(server).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_waits_drops_no_handshake() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write(ACCEPTED.to_owned() + "first").await;
        let heard = wire.read_until("!").await;
        wire.write(heard).await;
        wire.read_to_end().await;
    })
    .await;
    let gateway = behind("[{ ponder: {} }, { ponder: {} }]", origin.address()).await;
    for round in 0..100 {
        let mut client = Wire::connect(gateway.address()).await;
        client.write(HANDSHAKE).await;
        assert!(client.read_head().await.starts_with("HTTP/1.1 101 "), "round {round}");
        assert_eq!(client.read_exactly(5).await, "first", "round {round}");
        client.write("echo!").await;
        assert_eq!(client.read_exactly(5).await, "echo!", "round {round}");
    }
}

#[tokio::test]
async fn a_filter_can_refuse_a_handshake() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let gateway = behind("[{ token: { value: t0p } }]", origin.address()).await;
    let client = gateway.client();
    client.websocket("/ws").refused().await.assert_status(401);
    client.websocket("/ws").header("authorization", "Bearer wrong").refused().await.assert_status(401);
    assert_eq!(origin.hits(), 0, "the origin is not asked");
    let mut socket = client.websocket("/ws").header("authorization", "Bearer t0p").open().await;
    socket.send("hello").await;
    assert_eq!(socket.text().await, "hello");
    drop(socket);
    let log = gateway.stop().await;
    assert_eq!((&log[0]["reason"], &log[0]["kind"]), (&"no_token".into(), &"http".into()));
    assert_eq!(log[2]["kind"], "websocket");
}

#[tokio::test]
async fn a_rate_limit_counts_handshakes() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let gateway = behind("[{ rate_limit: { rate: 1r/m, burst: 1 } }]", origin.address()).await;
    let client = gateway.client();
    let open = [client.websocket("/ws").open().await, client.websocket("/ws").open().await];
    let refused = client.websocket("/ws").refused().await;
    refused.assert_status(429);
    assert!(refused.header("retry-after").is_some(), "{refused}");
    assert_eq!(origin.hits(), 2);
    drop(open);
}

#[tokio::test]
async fn response_filters_see_the_101_and_refusals() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let gateway = behind("[{ headers: { response: { set: { x-edge: one } } } }]", origin.address()).await;
    let socket = gateway.client().websocket("/ws").open().await;
    assert_eq!(socket.header("x-edge"), Some("one"));
    gateway.client().get("/ws").send().await.assert_status(426).assert_header("x-edge", "one");
}

#[tokio::test]
async fn the_origin_learns_who_asks_and_nothing_that_was_for_one_hop_only() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;
    let handshake = HANDSHAKE
        .replace("connection: Upgrade", "connection: keep-alive, Upgrade, x-secret\r\nx-secret: 1")
        .replace(
            "\r\n\r\n",
            "\r\nx-forwarded-for: 9.9.9.9\r\nte: trailers\r\nkeep-alive: timeout=5\r\ncookie: a=1\r\n\r\n",
        );
    client.write(handshake).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 101 "));
    let seen = &origin.requests()[0];
    let rows = [
        ("host", Some("a.test")),
        ("x-real-ip", Some("127.0.0.1")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("a.test")),
        ("cookie", Some("a=1")),
        ("upgrade", Some("websocket")),
        ("sec-websocket-version", Some("13")),
        ("te", None),
        ("keep-alive", None),
        ("x-secret", None),
    ];
    for (name, value) in rows {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert_eq!(seen.header_values("connection").join(", ").to_lowercase(), "upgrade");
    assert!(seen.header("x-request-id").is_some_and(|id| !id.is_empty()), "a request id");
}
