//! Every behaviour of an origin, as a client sees it.

use bytes::Bytes;
use http::Method;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::{Client, Failed, Gate, Wire};

#[tokio::test]
async fn routes_answer_and_the_rest_is_not_found() {
    let origin = Origin::builder()
        .route("/text", "hello")
        .route("/closure", |seen: Seen| async move { format!("{} {}", seen.method, seen.text()) })
        .route("/json", async |_: Seen| serde_json::json!({ "n": 1 }))
        .route("/refused", Fixed::status(503).header("retry-after", "7").body("later"))
        .route("/moved", Fixed::status(308).header("location", "/text"))
        .start()
        .await;
    let client = Client::to(origin.address());

    client.get("/text?with=query").send().await.assert_status(200).assert_text("hello");
    client.post("/closure", "body").send().await.assert_text("POST body");
    assert_eq!(
        client.get("/json").send().await.assert_header("content-type", "application/json").json()["n"],
        1
    );
    client
        .get("/refused")
        .send()
        .await
        .assert_status(503)
        .assert_header("retry-after", "7")
        .assert_text("later");
    client.get("/moved").send().await.assert_status(308).assert_no_header("content-type").assert_text("");
    client.get("/textual").send().await.assert_status(404).assert_text(r#"{"error":"not found"}"#);
}

#[tokio::test]
async fn a_fixed_origin_answers_everywhere() {
    let origin = Origin::fixed("hello").await;
    for path in ["/", "/any/where?x"] {
        Client::to(origin.address()).get(path).send().await.assert_status(200).assert_text("hello");
    }
}

#[tokio::test]
async fn every_request_is_recorded_as_it_came() {
    let origin = Origin::fixed("").await;
    let client = Client::connect(origin.address()).await;
    client.post("/a?b=c", "body").host("app.test").header("x-n", "1").header("x-n", "2").send().await;
    client.get("/d").send().await;
    Client::to(origin.address()).request(Method::DELETE, "/d").send().await;

    assert_eq!(
        (origin.hits(), origin.hits_of("/d"), origin.hits_of("/a"), origin.hits_of("/b")),
        (3, 2, 1, 0)
    );
    let seen = origin.requests();
    assert_eq!((seen[0].method.as_str(), seen[0].uri.to_string()), ("POST", "/a?b=c".to_owned()));
    assert_eq!((seen[0].path(), seen[0].header("host")), ("/a", Some("app.test")));
    assert_eq!(seen[0].header_values("x-n"), ["1", "2"]);
    assert_eq!((seen[0].text().as_str(), seen[0].complete), ("body", true));
    assert_eq!(seen[1].header("host"), Some(origin.address().to_string().as_str()));
    assert!(seen[0].remote.ip().is_loopback(), "{}", seen[0].remote);
    assert_eq!(
        seen.iter().map(|seen| seen.connection).collect::<Vec<_>>(),
        [1, 1, 2],
        "two shared a connection"
    );
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn echo_tells_what_arrived() {
    let origin = Origin::builder().route("/echo", Echo).start().await;
    let reply = Client::to(origin.address()).post("/echo?q", "12345").header("x-a", "b").send().await;
    let echo = reply.json();
    assert_eq!((&echo["method"], &echo["uri"]), (&"POST".into(), &"/echo?q".into()));
    assert_eq!((&echo["version"], &echo["body_length"]), (&"HTTP/1.1".into(), &5.into()));
    assert_eq!(echo["headers"][0], serde_json::json!(["x-a", "b"]));
}

#[tokio::test]
async fn a_feed_is_sent_when_the_test_says_so() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().route("/feed", feeds.route()).start().await;
    let mut reply = Client::to(origin.address()).get("/feed").open().await;
    reply
        .assert_status(200)
        .assert_header("content-type", "text/plain")
        .assert_header("transfer-encoding", "chunked");

    let feed = feeds.next().await;
    feed.send("one").await.unwrap();
    assert_eq!(reply.chunk().await, Some(Bytes::from("one")));
    feed.send("two").await.unwrap();
    assert_eq!(reply.chunk().await, Some(Bytes::from("two")));
    feed.end();
    assert_eq!(reply.chunk().await, None);
}

#[tokio::test]
async fn a_cut_feed_is_a_broken_body() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().route("/feed", feeds.route()).start().await;
    let reply = Client::to(origin.address()).get("/feed").open().await;
    let feed = feeds.next().await;
    feed.send("half").await.unwrap();
    feed.cut().await;
    let failed = reply.whole().await.unwrap_err();
    assert!(matches!(&failed, Failed::BrokenOff { so_far, .. } if so_far.text() == "half"), "{failed}");
}

#[tokio::test]
async fn a_feed_knows_that_its_reader_left() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().route("/events", feeds.route()).start().await;
    let events = Client::to(origin.address()).get("/events").open().await.events();
    let feed = feeds.next().await;
    drop(events);
    feed.abandoned().await;
    assert!(feed.event("late").await.is_err());
}

#[tokio::test]
async fn trailers_follow_a_body() {
    let origin = Origin::builder()
        .route("/sum", |_| async { Response::text("body").trailer("x-sum", "7") })
        .start()
        .await;
    let reply = Client::to(origin.address()).get("/sum").header("te", "trailers").send().await;
    reply.assert_text("body").assert_header("trailer", "x-sum");
    assert_eq!(reply.trailers["x-sum"], "7");
}

#[tokio::test]
async fn trailers_of_a_request_are_recorded() {
    let origin = Origin::fixed("").await;
    let (feed, call) = Client::to(origin.address()).post("/", "").header("trailer", "x-sum").streamed();
    let reply = tokio::spawn(call.send());
    feed.send("body").await.unwrap();
    feed.end_with(&[("x-sum", "7")]).await.unwrap();
    reply.await.unwrap();
    assert_eq!(origin.requests()[0].trailers["x-sum"], "7");
}

#[tokio::test]
async fn a_filler_is_as_long_as_it_says() {
    let origin = Origin::builder().route("/big", Filler(1_000_003)).start().await;
    let reply = Client::to(origin.address()).get("/big").send().await;
    reply.assert_header("content-length", "1000003");
    assert_eq!(reply.body.len(), 1_000_003);
}

#[tokio::test]
async fn a_drain_counts_while_the_upload_comes() {
    let drain = Drain::new();
    let origin = Origin::builder().route("/upload", drain.clone()).start().await;
    let (feed, call) = Client::to(origin.address()).post("/upload", "").streamed();
    let reply = tokio::spawn(call.send());

    feed.send("12345").await.unwrap();
    drain.reached(5).await;
    assert!(!reply.is_finished(), "the upload is not at its end");
    feed.send("678").await.unwrap();
    drain.reached(8).await;
    feed.end();
    assert_eq!(reply.await.unwrap().json()["received"], 8);
    assert_eq!(drain.received(), 8);
    let seen = &origin.requests()[0];
    assert!(seen.body.is_empty() && seen.complete, "the body is counted, not kept: {seen:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_recorded_as_incomplete() {
    let drain = Drain::new();
    let origin = Origin::builder().route("/upload", drain.clone()).otherwise("").start().await;
    let mut wire = Wire::connect(origin.address()).await;
    wire.write("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await;
    drain.reached(4).await;
    wire.finish().await;
    wire.read_to_end().await;
    assert!(!origin.requests()[0].complete);
}

#[tokio::test]
async fn an_early_refusal_does_not_wait_for_the_body() {
    let origin = Origin::builder().route("/upload", Fixed::status(413)).start().await;
    let mut wire = Wire::connect(origin.address()).await;
    wire.write("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n").await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_stopped_origin_refuses_and_can_come_back() {
    let gate = Gate::closed();
    let origin = Origin::builder().route("/held", gate.then("")).start().await;
    let address = origin.address();
    let waiting = tokio::spawn(Client::to(address).get("/held").try_send());
    origin.reached(1).await;

    origin.stop().await;
    assert!(waiting.await.unwrap().is_err(), "the connection went with the origin");
    let failed = Client::to(address).get("/").try_send().await.unwrap_err();
    assert!(matches!(failed, Failed::Connect { .. }), "{failed}");
    assert_eq!(origin.hits(), 1, "the record stays");

    let back = Origin::builder().otherwise("back").start_on(address).await;
    assert_eq!(back.address(), address);
    Client::to(address).get("/").send().await.assert_text("back");
}

#[tokio::test]
async fn a_dropped_origin_closes_its_connections() {
    let origin = Origin::fixed("").await;
    let (mut stream, _) = Wire::connect(origin.address()).await.into_parts();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    drop(origin);
    let mut end = Vec::new();
    // An end or a reset: either way the read returns.
    drop(crate::within(5, tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut end)).await);
    assert!(end.is_empty());
}

#[tokio::test]
async fn the_header_of_the_proxy_protocol_is_recorded() {
    let origin = Origin::builder().otherwise("").expect_proxy_protocol().start().await;
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";
    let table: [(&str, &[u8], u8, Option<&str>); 4] = [
        ("version 1", b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", 1, Some("192.0.2.1:56324")),
        ("version 1 with IPv6", b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", 1, Some("[2001:db8::1]:1")),
        ("unknown", b"PROXY UNKNOWN\r\n", 1, None),
        ("version 2", v2, 2, Some("192.0.2.1:56324")),
    ];
    for (what, header, version, source) in table {
        let mut wire = Wire::connect(origin.address()).await;
        wire.write([header, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"].concat()).await;
        assert!(wire.read_head().await.starts_with("HTTP/1.1 200 "), "{what}");
        let seen = origin.requests().pop().unwrap().proxied.unwrap();
        assert_eq!((&seen.header[..], seen.version), (header, version), "{what}");
        assert_eq!(seen.source.map(|address| address.to_string()).as_deref(), source, "{what}");
    }

    let mut wire = Wire::connect(origin.address()).await;
    wire.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(wire.read_to_end().await, "", "none is refused");
    assert_eq!(origin.hits(), 4);
}
