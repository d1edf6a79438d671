//! HTTP/2 with clients: the same requests and answers as over HTTP/1.1, many at a time.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use headwall_testkit::{
    Behaviour, Client, Drain, Echo, Feeds, Filler, Gate, Gateway, Origin, Request, Response, WebSocketEcho,
};
use http::Version;

use super::{Issuer, LISTENERS, handshakes, in_front};

const HOST: &str = "app.example.com";

/// A server in front of this origin, and one connection to it over HTTP/2.
async fn connected(issuer: &Issuer, origin: &Origin, more: &str) -> (Gateway, Client) {
    let yaml = in_front(HOST, &issuer.files(&[HOST]), more);
    let gateway = Gateway::config(&yaml).variable("APP", origin.address()).start().await;
    let client = issuer.client(&gateway, HOST).http2().keep().await;
    (gateway, client)
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let (gateway, client) = connected(&issuer, &origin, "").await;
    let calls: Vec<_> =
        (0..300).map(|n| tokio::spawn(client.post(&format!("/{n}"), vec![b'x'; n]).send())).collect();
    for (n, call) in calls.into_iter().enumerate() {
        let reply = call.await.unwrap();
        reply.assert_status(200);
        assert_eq!(reply.version, Version::HTTP_2);
        assert_eq!(
            (reply.json()["uri"].as_str(), reply.json()["body_length"].as_u64()),
            (Some(&*format!("/{n}")), Some(n as u64))
        );
    }
    assert_eq!(handshakes(&gateway, "TLSv1.3", false), 1.0);
    drop(client);
    let log = gateway.stop().await;
    assert_eq!(log.len(), 300);
    for line in &log {
        let told = ["protocol", "tls_version", "tls_cipher", "scheme", "host"]
            .map(|key| line[key].as_str().unwrap_or_default());
        assert_eq!(told, ["HTTP/2.0", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "https", HOST]);
    }
}

#[tokio::test]
async fn the_application_is_told_what_it_would_be_told_over_http1() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let (_gateway, client) = connected(&issuer, &origin, "").await;
    let call = client
        .get("/a?b=c")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-forwarded-proto", "http");
    call.send().await.assert_status(200);
    client.get("/").host(&format!("{HOST}:8443")).send().await.assert_status(200);
    let seen = origin.requests();
    assert_eq!((seen[0].version, seen[0].host()), (Version::HTTP_11, Some(HOST)), "`:authority`");
    assert_eq!(seen[0].uri.to_string(), "/a?b=c");
    assert_eq!(seen[0].header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen[0].header("x-forwarded-host"), Some(HOST));
    assert_eq!(seen[0].header("x-forwarded-for"), Some("127.0.0.1"));
    // Over HTTP/2 a cookie may come in pieces, which are one header to everybody else (RFC 9113, 8.2.3).
    assert_eq!(seen[0].header_values("cookie").join("; "), "a=1; b=2");
    assert_eq!(seen[1].host(), Some(&*format!("{HOST}:8443")));
}

#[tokio::test]
async fn bodies_larger_than_any_window_go_through_both_ways() {
    const SIZE: u64 = 9 << 20;
    let issuer = Issuer::new();
    let drain = Drain::new();
    let origin = Origin::builder()
        .route("/up", drain.clone())
        .route("/down", Filler(SIZE))
        .otherwise(Echo)
        .start()
        .await;
    let (gateway, client) = connected(&issuer, &origin, "").await;
    let (up, down, small) = tokio::join!(
        client.post("/up", "").filled(SIZE).send(),
        client.get("/down").send(),
        client.post("/small", vec![b'x'; 1 << 20]).send(),
    );
    up.assert_status(200);
    assert_eq!(drain.received(), SIZE);
    assert_eq!(down.body.len() as u64, SIZE);
    assert_eq!(small.json()["body_length"], 1 << 20);
    drop(client);
    let log = gateway.stop().await;
    let sent =
        |uri: &str, key: &str| log.iter().find(|line| line["uri"] == uri).unwrap()[key].as_u64().unwrap();
    assert!(sent("/up", "bytes_received") >= SIZE);
    assert!(sent("/down", "bytes_sent") >= SIZE);
}

/// Sends each piece of the request back while the next one is still to come.
struct BothWays;

impl Behaviour for BothWays {
    fn reply(&self, mut request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            let (feed, response) = Response::fed("application/grpc");
            tokio::spawn(async move {
                while let Ok(Some(piece)) = request.chunk().await {
                    if feed.send(piece).await.is_err() {
                        return;
                    }
                }
            });
            response
        })
    }
}

#[tokio::test]
async fn an_answer_begins_before_its_request_ends() {
    let issuer = Issuer::new();
    let origin = Origin::builder().route("/package.Service/Method", BothWays).start().await;
    let (_gateway, client) = connected(&issuer, &origin, "").await;
    let call = client
        .post("/package.Service/Method", "")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let (feed, call) = call.streamed();
    let mut reply = call.open().await;
    reply.assert_status(200).assert_header("content-type", "application/grpc");
    for message in ["\0\0\0\0\u{3}one", "\0\0\0\0\u{3}two"] {
        feed.send(message).await.unwrap();
        assert_eq!(reply.chunk().await, Some(Bytes::from(message)));
    }
    drop(feed);
    reply.whole().await.unwrap().assert_text("");
}

#[tokio::test]
async fn events_come_one_by_one() {
    let issuer = Issuer::new();
    let mut feeds = Feeds::events();
    let origin = Origin::builder().route("/events", feeds.route()).otherwise("other").start().await;
    let (_gateway, client) = connected(&issuer, &origin, "").await;
    let mut events = client.get("/events").open().await.events();
    let feed = feeds.next().await;
    for n in 0..3 {
        feed.event(&n.to_string()).await.unwrap();
        assert_eq!(events.next().await.unwrap().data, n.to_string());
        client.get("/").send().await.assert_text("other");
    }
    feed.end();
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_websocket_opens_beside_http2_on_the_same_listener() {
    let issuer = Issuer::new();
    let origin = Origin::builder().route("/ws", WebSocketEcho::new()).otherwise("hello").start().await;
    let (gateway, client) = connected(&issuer, &origin, "").await;
    let mut socket = issuer.client(&gateway, HOST).websocket("/ws").open().await;
    for text in ["one", "two"] {
        socket.send(text).await;
        assert_eq!(socket.text().await, text);
        client.get("/").send().await.assert_text("hello");
    }
    socket.close(1000, "done").await;
    drop((client, socket.ending().await));
    let log = gateway.stop().await;
    let tunnel = log.iter().find(|line| line["status"] == 101).unwrap();
    assert_eq!(
        (tunnel["protocol"].as_str(), tunnel["tls_version"].as_str()),
        (Some("HTTP/1.1"), Some("TLSv1.3"))
    );
    assert_eq!(origin.requests()[0].header("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn limits_and_refusals_are_the_same_as_over_http1() {
    let issuer = Issuer::new();
    let yaml = format!(
        "{LISTENERS}sites: [{{ hosts: [{HOST}], tls: {{ {} }}, routes: [{{ match: {{ path: /login, methods: [POST] }}, filters: [{{ \
         rate_limit: {{ rate: 4r/h, burst: 1 }} }}], respond: {{ body: in }} }}] }}]",
        issuer.files(&[HOST])
    );
    let gateway = Gateway::start(&yaml).await;
    let client = issuer.client(&gateway, HOST).http2().keep().await;
    for _ in 0..2 {
        client.post("/login", "").send().await.assert_status(200);
    }
    let rows = [
        (client.post("/login", ""), 429, "rate_limited"),
        (client.get("/login"), 405, "method_not_allowed"),
        (client.get("/nowhere"), 404, "no_route"),
        (client.get("/%zz"), 400, "invalid_path"),
        (client.get(&format!("/{}", "x".repeat(9000))), 414, "request_line_too_long"),
    ];
    let mut expected = Vec::new();
    for (call, status, reason) in rows {
        let reply = call.send().await;
        reply.assert_status(status).assert_header("content-type", "application/json");
        assert!(reply.json()["error"].is_string(), "{reply}");
        expected.push(reason);
    }
    drop(client);
    let log = gateway.stop().await;
    let reasons: Vec<_> = log.iter().filter_map(|line| line["reason"].as_str()).collect();
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn without_tls_it_is_spoken_where_it_was_asked_for_beside_http1() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let yaml = "
        listeners: [{ address: \"127.0.0.1:0\", http2: true }, { address: \"127.0.0.1:0\" }]
        sites: [{ routes: [{ api: { upstream: app, websocket: {} } }] }]
        upstreams: { app: { servers: [\"${APP}\"] } }
    ";
    let gateway = Gateway::config(yaml).variable("APP", origin.address()).start().await;
    for _ in 0..2 {
        let (one, two) = (gateway.client().keep().await, gateway.client().http2().keep().await);
        for (client, version) in [(one, Version::HTTP_11), (two, Version::HTTP_2)] {
            for path in ["/a", "/b"] {
                let reply = client.post(path, "x".repeat(100_000)).send().await;
                assert_eq!((reply.status.as_u16(), reply.version), (200, version), "{reply}");
            }
        }
    }
    assert!(origin.requests().iter().all(|seen| seen.header("x-forwarded-proto") == Some("http")));
    let elsewhere = gateway.client_at(1);
    elsewhere.get("/").send().await.assert_status(200);
    let refused = elsewhere.http2().get("/").try_send().await;
    assert!(refused.is_err(), "nobody has asked for it there: {refused:?}");
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_closes_the_connection() {
    let issuer = Issuer::new();
    let gate = Gate::closed();
    let origin = Origin::builder().route("/held", gate.then("held")).otherwise("hello").start().await;
    let (gateway, client) = connected(&issuer, &origin, "shutdown: { timeout: 10s }\n").await;
    client.get("/").send().await.assert_status(200);
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(client.get("/held").send())).collect();
    gate.reached(5).await;
    let stopping = tokio::spawn(gateway.stop());
    // The server says GOAWAY: no request begins any more, and a client knows that before it asks.
    headwall_testkit::eventually(10, async || client.get("/").try_send().await.err().map(drop)).await;
    gate.open();
    for call in calls {
        call.await.unwrap().assert_status(200).assert_text("held");
    }
    client.closed().await;
    let log = stopping.await.unwrap();
    assert_eq!(log.iter().filter(|line| line["uri"] == "/held" && line["status"] == 200).count(), 5);
}
