//! Versions of HTTP, informational answers and trailers.

use bytes::Bytes;
use headwall_testkit::{Feeds, Gateway, Origin, RawOrigin, Response, Seen, Wire};

use super::in_front_of;

/// RFC 9112, 6.1: no `Transfer-Encoding` to a client of HTTP/1.0. The body ends with the connection.
#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let feed = feeds.next().await;
    feed.send("one ").await.unwrap();
    feed.send("two").await.unwrap();
    feed.end();
    let head = wire.read_head().await;
    assert!(head.starts_with("HTTP/1.") && head.contains(" 200 "), "{head}");
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert_eq!(wire.read_to_end().await, "one two");
}

/// The same where the upstream speaks HTTP/2, whose bodies have no length to begin with.
#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks_of_an_upstream_with_http_2() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().otherwise(feeds.route()).http2().start().await;
    let gateway = Gateway::config(
        r#"
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"], protocol: http2 } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let feed = feeds.next().await;
    feed.send("one ").await.unwrap();
    feed.send("two").await.unwrap();
    feed.end();
    let head = wire.read_head().await;
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert_eq!(wire.read_to_end().await, "one two");
}

#[tokio::test]
async fn a_client_of_http_1_0_needs_no_host() {
    let origin = Origin::fixed("hello").await;
    let gateway = in_front_of(origin.address()).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET / HTTP/1.0\r\n\r\n").await;
    let answer = wire.read_to_end().await;
    assert!(answer.contains(" 200 ") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert_eq!(origin.requests()[0].header("x-forwarded-host"), None, "no host is made up");
}

/// Hints at a style sheet before it answers.
async fn hinting() -> RawOrigin {
    RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n").await;
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
    })
    .await
}

/// RFC 8297: a hint goes out before the answer it hints at.
#[tokio::test]
async fn early_hints_pass() {
    let origin = hinting().await;
    let gateway = in_front_of(origin.address()).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let hints = wire.read_head().await;
    assert!(hints.starts_with("HTTP/1.1 103") && hints.to_lowercase().contains("link: </a.css>"), "{hints}");
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert_eq!(gateway.stop().await[0]["status"], 200, "the log tells of the final answer");
}

/// A known limit: Pingora sends no informational answers over HTTP/2, and takes none from a server that speaks it.
#[tokio::test]
async fn early_hints_do_not_pass_http2_and_the_answer_does() {
    let http1 = hinting().await;
    let http2 = RawOrigin::start(async |wire: Wire| {
        let mut connection = h2::server::handshake(wire.into_parts().0).await.unwrap();
        while let Some(Ok((_, mut answer))) = connection.accept().await {
            let hints = http::Response::builder().status(103).header("link", "</a.css>; rel=preload");
            answer.send_informational(hints.body(()).unwrap()).unwrap();
            let mut body = answer.send_response(http::Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"hello"), true).unwrap();
        }
    })
    .await;
    for (origin, protocol, row) in [(&http1, "http1", "to the client"), (&http2, "http2", "from the server")]
    {
        let gateway = Gateway::start(&format!(
            "
            listeners: [{{ address: \"127.0.0.1:0\", http2: true }}]
            sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
            upstreams: {{ app: {{ servers: [\"{}\"], protocol: {protocol} }} }}
            ",
            origin.address()
        ))
        .await;
        if protocol == "http1" {
            let reply = gateway.client().http2().get("/").send().await;
            reply.assert_status(200).assert_text("hello").assert_no_header("link");
        } else {
            let mut wire = Wire::connect(gateway.address()).await;
            wire.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            let answer = wire.read_to_end().await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("hello"), "{row}: {answer}");
        }
        assert_eq!(gateway.stop().await[0]["status"], 200, "{row}");
    }
}

/// A known limit: Pingora reads the trailers of an HTTP/1.1 answer and does not pass them on. The body is whole all the
/// same. Should this ever change, this test says so, and the handbook may.
#[tokio::test]
async fn trailers_of_an_answer_are_dropped() {
    let origin = Origin::builder()
        .otherwise(async |_: Seen| Response::text("body").trailer("x-sum", "42"))
        .start()
        .await;
    let gateway = in_front_of(origin.address()).await;
    let reply = gateway.client().get("/").header("te", "trailers").header("connection", "te").send().await;
    reply.assert_status(200).assert_text("body");
    assert!(reply.trailers.is_empty(), "trailers arrive now: {:?}", reply.trailers);
}

/// The same for a request: its body arrives whole, its trailers do not.
#[tokio::test]
async fn trailers_of_a_request_are_dropped() {
    let origin = Origin::builder().otherwise(async |seen: Seen| seen.text()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let (feed, call) = gateway.client().post("/", "").header("trailer", "x-sum").streamed();
    let reply = tokio::spawn(call.send());
    feed.send("body").await.unwrap();
    feed.end_with(&[("x-sum", "42")]).await.unwrap();
    reply.await.unwrap().assert_status(200).assert_text("body");
    let seen = origin.requests().pop().unwrap();
    assert!(seen.trailers.is_empty(), "trailers arrive now: {:?}", seen.trailers);
}
