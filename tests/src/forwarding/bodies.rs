//! Bodies are streamed both ways: of any size, and while they are still coming.

use std::net::SocketAddr;

use bytes::Bytes;
use headwall_testkit::{Drain, Echo, Feeds, Filler, Gateway, Origin, Response, Seen, within};

use super::in_front_of;

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn a_body_arrives_as_it_was_sent() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;

    gateway.client().post("/", "with a length").send().await.assert_status(200);
    let seen = origin.requests().pop().unwrap();
    assert_eq!((seen.text().as_str(), seen.complete), ("with a length", true));
    assert_eq!(seen.header_values("content-length"), ["13"]);
    assert_eq!(seen.header_values("transfer-encoding"), [""; 0]);

    let (feed, call) = gateway.client().post("/", "").streamed();
    let reply = tokio::spawn(call.send());
    feed.send("in ").await.unwrap();
    feed.send("pieces").await.unwrap();
    feed.end();
    reply.await.unwrap().assert_status(200);
    let seen = origin.requests().pop().unwrap();
    assert_eq!((seen.text().as_str(), seen.complete), ("in pieces", true));
    assert_eq!(seen.header_values("content-length"), [""; 0]);
    assert_eq!(seen.header_values("transfer-encoding"), ["chunked"]);
}

async fn for_large_bodies(server: SocketAddr) -> Gateway {
    Gateway::config(
        r#"
        limits: { max_body_size: 20m }
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", server)
    .start()
    .await
}

#[tokio::test]
async fn twenty_mebibytes_go_up_while_they_are_being_sent() {
    let drain = Drain::new();
    let origin = Origin::builder().route("/upload", drain.clone()).start().await;
    let gateway = for_large_bodies(origin.address()).await;
    let (feed, call) = gateway.client().post("/upload", "").streamed();
    let reply = tokio::spawn(call.send());
    let piece = Bytes::from(vec![b'.'; MIB as usize]);
    for sent in 1..=20 {
        feed.send(piece.clone()).await.unwrap();
        // The next piece is not even written before this one has come out on the other side.
        drain.reached(sent * MIB).await;
    }
    feed.end();
    reply.await.unwrap().assert_status(200).assert_text("{\"received\":20971520}");
    let log = gateway.stop().await;
    assert_eq!(log[0]["bytes_received"], 20 * MIB);
}

#[tokio::test]
async fn twenty_mebibytes_of_announced_length_go_up() {
    let drain = Drain::new();
    let origin = Origin::builder().route("/upload", drain.clone()).start().await;
    let gateway = for_large_bodies(origin.address()).await;
    let call = gateway.client().post("/upload", "").filled(20 * MIB).header("content-length", "20971520");
    call.send().await.assert_status(200).assert_text("{\"received\":20971520}");
    assert_eq!(origin.requests()[0].header_values("content-length"), ["20971520"]);
}

#[tokio::test]
async fn twenty_mebibytes_come_down() {
    let origin = Origin::builder().route("/download", Filler(20 * MIB)).start().await;
    let gateway = in_front_of(origin.address()).await;
    let reply = gateway.client().get("/download").send().await;
    reply.assert_status(200).assert_header("content-length", "20971520");
    assert_eq!(reply.body.len() as u64, 20 * MIB);
    assert!(reply.body.iter().all(|byte| *byte == b'.'), "every byte as it was sent");
    let log = gateway.stop().await;
    assert_eq!(log[0]["bytes_sent"], 20 * MIB);
}

#[tokio::test]
async fn a_piece_comes_down_before_the_next_one_is_sent() {
    let mut feeds = Feeds::of("application/octet-stream");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut open = gateway.client().get("/").open().await;
    let feed = feeds.next().await;
    for text in ["a", "bb", "ccc"] {
        feed.send(text).await.unwrap();
        assert_eq!(open.chunk().await.as_deref(), Some(text.as_bytes()));
    }
    feed.end();
    assert_eq!(open.chunk().await, None);
}

/// Back-pressure: a download that nobody reads stops at the origin, instead of filling the proxy's memory.
#[tokio::test]
async fn an_answer_that_is_not_read_waits_at_the_origin() {
    let mut feeds = Feeds::of("application/octet-stream");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut open = gateway.client().get("/").open().await;
    let feed = feeds.next().await;
    let piece = Bytes::from(vec![b'.'; MIB as usize]);
    let sent = async {
        for sent in 0..64 {
            if tokio::time::timeout(std::time::Duration::from_millis(300), feed.send(piece.clone()))
                .await
                .is_err()
            {
                return sent;
            }
        }
        64
    };
    let sent = within(30, sent).await;
    assert!(sent < 64, "the sockets and the proxy have taken 64 MiB that nobody has read");
    assert!(open.chunk().await.is_some(), "it goes on as soon as somebody reads");
}

/// RFC 9110, 15.2.1: the client waits to be told that its body is wanted.
#[tokio::test]
async fn a_client_that_expects_100_continue_is_told_to() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut wire = headwall_testkit::Wire::connect(gateway.address()).await;
    wire.write("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 100"), "before a byte of the body was sent");
    wire.write("body").await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(origin.requests()[0].text(), "body");
}

/// A known limit: Pingora sends no informational answers over HTTP/2. Nobody has to wait for this one (RFC 9110, 10.1.1).
#[tokio::test]
async fn a_client_of_http2_that_expects_100_continue_need_not_wait_for_it() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = Gateway::start(&format!(
        "
        listeners: [{{ address: \"127.0.0.1:0\", http2: true }}]
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{}\"] }} }}
        ",
        origin.address()
    ))
    .await;
    let call = gateway.client().http2().post("/", "body").header("expect", "100-continue");
    call.send().await.assert_status(200);
    assert_eq!(origin.requests()[0].text(), "body");
}

#[tokio::test]
async fn an_answer_without_a_body_has_none() {
    let origin = Origin::builder()
        .otherwise(async |seen: Seen| {
            Response::new(seen.path()[1..].parse().unwrap_or(500)).header("x-kept", "1")
        })
        .start()
        .await;
    let gateway = in_front_of(origin.address()).await;
    let client = headwall_testkit::Client::connect(gateway.address()).await;
    for status in [204, 304, 200, 404] {
        let reply = client.get(&format!("/{status}")).send().await;
        reply.assert_status(status).assert_text("").assert_header("x-kept", "1");
    }
}
