//! Bodies that are malformed, too long or too slow: the client can read why, and the upstream gets half of one at most,
//! and sees that it is half.

use headwall_testkit::{Drain, Gateway, Origin, Wire, eventually};

use super::{Recorder, in_front_of, tell};

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_malformed_chunked_body_is_a_400_and_half_a_body_for_the_upstream() {
    let rows = [
        ("0x5\r\nhello\r\n0\r\n\r\n", "a prefix"),
        ("+5\r\nhello\r\n0\r\n\r\n", "a sign"),
        (" 5\r\nhello\r\n0\r\n\r\n", "a space before"),
        ("5 \r\nhello\r\n0\r\n\r\n", "a space behind"),
        ("5\nhello\r\n0\r\n\r\n", "a bare LF"),
        ("5;a\nhello\r\n0\r\n\r\n", "a bare LF behind an extension"),
        ("5;a\rb\r\nhello\r\n0\r\n\r\n", "a bare CR in an extension"),
        ("5\r\nhello!!\r\n0\r\n\r\n", "more than it says"),
        ("5\r\nhello0\r\n\r\n", "no line end behind the data"),
        ("5\r\nhello\r\n0\n\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "the last chunk with bare LF"),
        ("5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "a request for a trailer"),
        ("5\r\nhello\r\n0\r\n\rxGET /smuggled HTTP/1.1\r\n\r\n", "another end"),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", "a size that overflows"),
        ("ffffffffffffffff\r\nhello\r\n0\r\n\r\n", "a size below nothing"),
        ("\r\n0\r\n\r\n", "no size"),
        ("z\r\n\r\n0\r\n\r\n", "no number"),
    ];
    for piece in [1, 10_000] {
        for (body, row) in rows {
            let origin = Recorder::start().await;
            let gateway = in_front_of(origin.address(), "{}").await;
            let answer = tell(&gateway, format!("{CHUNKED}{body}").as_bytes(), piece).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{row}, {piece}: {answer:?}");
            let log = gateway.stop().await;
            assert_eq!((log.len(), &log[0]["reason"]), (1, &"invalid_request".into()), "{row}, {piece}");
            let seen = origin.seen();
            assert!(
                !seen.contains("0\r\n\r\n"),
                "{row}, {piece}: the upstream took half a body for a whole: {seen:?}"
            );
            assert!(!seen.contains("\nGET /smuggled"), "{row}, {piece}: {seen:?}");
        }
    }
}

/// With a limit of 1,000 bytes.
async fn limited(origin: &Recorder) -> Gateway {
    Gateway::config(
        r#"
        limits: { max_body_size: 1000 }
        sites:
          - routes:
              - { match: { path: /small }, filters: [{ body_limit: { max: 10 } }], api: { upstream: app } }
              - { match: { path: /large }, filters: [{ body_limit: { max: 64k } }], api: { upstream: app } }
              - api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_long_is_a_413_before_the_upstream_hears_of_it() {
    let rows = [
        ("/", 1000, 200),
        ("/", 1001, 413),
        ("/small", 10, 200),
        ("/small", 11, 413),
        ("/large", 65_536, 200),
        ("/large", 65_537, 413),
    ];
    for (path, length, status) in rows {
        let origin = Recorder::start().await;
        let gateway = limited(&origin).await;
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")).await;
        drop(wire.try_write("x".repeat(length)).await);
        let head = wire.read_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {length}: {head}");
        assert_eq!(origin.origin.connections(), usize::from(status == 200), "{path} {length}");
        let log = gateway.stop().await;
        assert_eq!(log[0]["reason"] == "body_too_large", status == 413, "{path} {length}");
    }
}

#[tokio::test]
async fn nobody_is_told_to_go_on_with_a_body_that_is_too_long() {
    let origin = Recorder::start().await;
    let gateway = limited(&origin).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_body_that_turns_out_too_long_is_a_413_and_half_a_body_for_the_upstream() {
    let rows = [("/", 1000, 200), ("/", 1001, 413), ("/small", 11, 413), ("/large", 60_000, 200)];
    for (path, length, status) in rows {
        let origin = Recorder::start().await;
        let gateway = limited(&origin).await;
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
        drop(
            wire.try_write(format!("1\r\nx\r\n{:x}\r\n{}\r\n0\r\n\r\n", length - 1, "x".repeat(length - 1)))
                .await,
        );
        let head = wire.read_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {length}: {head}");
        if status == 413 {
            eventually(10, async || origin.seen().contains("<end>").then_some(())).await;
            let seen = origin.seen();
            assert!(
                !seen.contains("0\r\n\r\n"),
                "{path} {length}: the upstream took half a body for a whole: {seen:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_endless_upload_is_cut_and_its_sender_reads_why() {
    let origin = Recorder::start().await;
    let gateway = limited(&origin).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write(CHUNKED).await;
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let mut sent = 0;
    // As much as the client can get rid of while it looks at nothing.
    while sent < 40 && wire.try_write(&chunk).await.is_ok() {
        sent += 1;
    }
    wire.finish().await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with('}'), "{answer}");
}

#[tokio::test]
async fn an_upload_that_trickles_is_given_up() {
    let drain = Drain::new();
    let origin = Origin::builder().otherwise(drain.clone()).start().await;
    for (limits, status) in [
        ("{ body_timeout: 400ms, min_body_rate: 1k }", 408),
        ("{ body_timeout: 400ms, min_body_rate: 0 }", 200),
    ] {
        let gateway = in_front_of(origin.address(), limits).await;
        let (feed, call) = gateway.client().post("/", "").streamed();
        let reply = tokio::spawn(call.send());
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        for _ in 0..20 {
            ticks.tick().await;
            if feed.send("x").await.is_err() {
                break;
            }
        }
        feed.end();
        reply.await.unwrap().assert_status(status);
        let log = gateway.stop().await;
        assert_eq!(log[0]["reason"] == "client_timeout", status == 408, "{limits}");
    }
}
