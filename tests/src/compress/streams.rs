//! Streams: each piece is at the client, and can be decoded there, before the next one exists.

use headwall_testkit::{Feeds, Origin, Response, Seen};

use super::{compressing, decode};

#[tokio::test]
async fn events_are_not_compressed_and_arrive_one_by_one() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = compressing(origin.address(), "{}").await;
    let call = gateway.client().get("/events").header("accept-encoding", "gzip, br, zstd");
    let mut events = call.open().await.events();
    assert_eq!(events.reply().header("content-encoding"), None);
    let feed = feeds.next().await;
    for data in ["one", "two", "three"] {
        feed.event(data).await.unwrap();
        assert_eq!(events.next().await.map(|event| event.data).as_deref(), Some(data));
    }
}

/// What can be read of a body that is not whole yet.
fn readable(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut decoder: Box<dyn std::io::Read + '_> = match coding {
        "zstd" => Box::new(zstd::stream::read::Decoder::new(body).unwrap()),
        "br" => Box::new(brotli::Decompressor::new(body, 4096)),
        _ => Box::new(flate2::read::GzDecoder::new(body)),
    };
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = decoder.read(&mut buffer) {
        text.extend_from_slice(&buffer[..read]);
    }
    text
}

#[tokio::test]
async fn a_piece_of_unknown_length_leaves_at_once() {
    let mut feeds = Feeds::of("application/x-ndjson");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = compressing(origin.address(), "{}").await;
    for coding in ["gzip", "br", "zstd"] {
        let mut reply = gateway.client().get("/lines").header("accept-encoding", coding).open().await;
        reply.assert_header("content-encoding", coding).assert_header("transfer-encoding", "chunked");
        let feed = feeds.next().await;
        let (mut sent, mut received) = (String::new(), Vec::new());
        for number in 0..5 {
            let line = format!("{{\"line\":{number}}}\n");
            feed.send(line.clone()).await.unwrap();
            sent.push_str(&line);
            // Awaits what makes the line readable, which need not be one chunk.
            while readable(coding, &received) != sent.as_bytes() {
                received.extend_from_slice(&reply.chunk().await.expect("the stream goes on"));
            }
        }
        feed.end();
        while let Some(piece) = reply.chunk().await {
            received.extend_from_slice(&piece);
        }
        assert_eq!(decode(Some(coding), &received), sent, "{coding}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_does_not_look_whole() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = compressing(origin.address(), "{}").await;
    let reply = gateway.client().get("/").header("accept-encoding", "gzip").open().await;
    let feed = feeds.next().await;
    feed.send("half of it").await.unwrap();
    feed.cut().await;
    assert!(reply.whole().await.is_err(), "the client has to notice");
}

/// Trailers end a body without a piece that says so.
#[tokio::test]
async fn a_body_that_ends_in_trailers_is_whole() {
    let answer = async |_: Seen| Response::new(200).body("text/plain", super::page()).trailer("x-sum", "1");
    for version in ["http1", "http2"] {
        let builder = Origin::builder().otherwise(answer);
        let origin = if version == "http2" { builder.http2() } else { builder }.start().await;
        let gateway = headwall_testkit::Gateway::config(
            r#"
            sites: [{ routes: [{ filters: [{ compress: {} }], api: { upstream: app } }] }]
            upstreams: { app: { servers: ["${APP}"], protocol: "${VERSION}" } }
            "#,
        )
        .variable("APP", origin.address())
        .variable("VERSION", version)
        .start()
        .await;
        let reply = gateway.client().get("/").header("accept-encoding", "gzip").send().await;
        reply.assert_header("content-encoding", "gzip");
        assert_eq!(super::decoded(&reply), super::page(), "{version}");
    }
}

#[tokio::test]
async fn a_large_body_is_compressed_in_steps() {
    let origin = Origin::builder()
        .otherwise(async |_: Seen| Response::new(200).body("text/plain", "0123456789abcdef".repeat(1 << 16)))
        .start()
        .await;
    let gateway = compressing(origin.address(), "{}").await;
    for coding in ["gzip", "br", "zstd"] {
        let reply = gateway.client().get("/").header("accept-encoding", coding).send().await;
        assert!(reply.body.len() < 1 << 16, "{coding}: {} bytes", reply.body.len());
        assert_eq!(super::decoded(&reply).len(), 1 << 20, "{coding}");
    }
}
