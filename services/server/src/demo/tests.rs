//! The demo as its page and a proxy see it.

use std::net::SocketAddr;

use headwall_testkit::{Client, Ending, Failed, Reply, within};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// A running demo, and how to stop it.
struct Demo {
    address: SocketAddr,
    client: Client,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Demo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, async { drop(stopped.await) }));
        Self { address, client: Client::to(address), stop, served }
    }

    async fn login(&self, body: &Value) -> Reply {
        self.client.post("/api/cloud/login", "").json(body).send().await
    }
}

#[tokio::test]
async fn hello_shows_the_forwarded_headers_that_were_there() {
    let demo = Demo::start().await;
    let call = demo.client.get("/api/hello").host("app.test");
    let reply = call.header("x-forwarded-for", "1.2.3.4").header("x-forwarded-for", "5.6.7.8").send().await;
    let hello = reply.assert_status(200).json();
    assert_eq!(hello["headers"], json!({ "host": "app.test", "x-forwarded-for": "1.2.3.4, 5.6.7.8" }));
    assert!(hello["time"].as_u64().unwrap() > 1_700_000_000_000, "milliseconds of this century: {hello}");
    assert!(hello["message"].is_string());
}

#[tokio::test]
async fn health_is_ok_and_the_rest_is_not_found() {
    let demo = Demo::start().await;
    demo.client.get("/api/health").send().await.assert_status(200).assert_text(r#"{"status":"ok"}"#);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/nowhere"),
        ("POST", "/api/hello"),
        ("GET", "/api/cloud/login"),
        ("GET", "/api"),
    ] {
        let reply = demo.client.request(method.parse().unwrap(), path).send().await;
        assert!(reply.assert_status(404).json()["error"].is_string(), "{method} {path}");
    }
    demo.client.head("/api/health").send().await.assert_status(200).assert_text("");
}

#[tokio::test]
async fn only_the_right_password_logs_in() {
    let demo = Demo::start().await;
    let table = [
        (json!({ "user": "ada", "password": "correct horse" }), 200),
        (json!({ "user": "ada", "password": "battery staple" }), 401),
        (json!({ "user": "ada" }), 400),
        (json!({ "password": "correct horse" }), 400),
        (json!(["ada"]), 400),
        (json!({ "user": "ada", "password": "x".repeat(20_000) }), 413),
    ];
    for (login, status) in table {
        let reply = demo.login(&login).await;
        reply.assert_status(status);
        assert_eq!(reply.json()["error"].is_string(), status != 200, "{reply}");
    }
    demo.client.post("/api/cloud/login", "no JSON").send().await.assert_status(400);
}

#[tokio::test]
async fn events_count_up_to_what_was_asked_for() {
    let demo = Demo::start().await;
    let mut events = demo.client.get("/api/events?count=3&every=1ms").open().await.events();
    events
        .reply()
        .assert_header("content-type", "text/event-stream")
        .assert_header("cache-control", "no-store");
    for n in 1..=3 {
        assert_eq!(events.next().await.unwrap().data, json!({ "n": n }).to_string());
    }
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn slow_waits_as_long_as_it_was_told() {
    let demo = Demo::start().await;
    let reply = demo.client.get("/api/slow?wait=20ms").send().await;
    assert!(reply.assert_status(200).json()["waited_ms"].as_u64().unwrap() >= 20, "{reply}");
}

#[tokio::test]
async fn big_is_as_long_as_it_was_told() {
    let demo = Demo::start().await;
    for (query, length) in [("", 1 << 20), ("?size=0", 0), ("?size=20000", 20_000), ("?size=3k", 3 * 1024)] {
        let reply = demo.client.get(&format!("/api/big{query}")).send().await;
        reply.assert_status(200).assert_header("content-length", &length.to_string());
        assert_eq!(reply.body.len(), length, "{query}");
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_told() {
    let demo = Demo::start().await;
    for query in ["events?every=soon", "events?count=many", "slow?wait=2", "big?size=huge"] {
        let reply = demo.client.get(&format!("/api/{query}")).send().await;
        let error = reply.assert_status(400).json()["error"].to_string();
        let (_, parameter) = query.split_once('?').unwrap();
        let (name, _) = parameter.split_once('=').unwrap();
        assert!(error.contains(name), "{query}: {error}");
    }
}

#[tokio::test]
async fn the_websocket_echoes_and_relays_the_close() {
    let demo = Demo::start().await;
    let mut socket = demo.client.websocket("/ws").open().await;
    socket.send("hello").await;
    assert_eq!(socket.text().await, "hello");
    socket.send(vec![0, 255]).await;
    assert_eq!(socket.next().await.unwrap().into_data(), vec![0, 255]);
    socket.close(4000, "enough").await;
    assert_eq!(socket.ending().await, Ending::Closed { code: Some(4000), reason: "enough".into() });

    demo.client.get("/ws").send().await.assert_status(400);
}

#[tokio::test]
async fn a_stop_ends_what_is_open_and_finishes_the_rest() {
    let demo = Demo::start().await;
    let idle = Client::connect(demo.address).await;
    idle.get("/api/health").send().await.assert_status(200);
    let mut events = demo.client.get("/api/events?every=1h").open().await.events();
    assert!(events.next().await.is_some());
    let socket = demo.client.websocket("/ws").open().await;
    let mut big = demo.client.get("/api/big?size=32m").open().await;
    let mut received = big.chunk().await.unwrap().len();

    demo.stop.send(()).unwrap();
    idle.closed().await;
    assert_eq!(events.next().await, None);
    assert!(matches!(socket.ending().await, Ending::Closed { code: Some(1001), .. }));
    while let Some(piece) = big.chunk().await {
        received += piece.len();
    }
    assert_eq!(received, 32 << 20, "what was under way came to its end");
    within(4, demo.served).await.unwrap().unwrap();
    let refused = demo.client.get("/").try_send().await.unwrap_err();
    assert!(matches!(refused, Failed::Connect { .. }), "nobody listens any more: {refused}");
}
