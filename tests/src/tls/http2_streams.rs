//! How one request over HTTP/2 ends when it does not end well, and what the others on its connection notice of it.

use std::time::Duration;

use headwall_testkit::{Client, Echo, Failed, Feeds, Fixed, Gateway, Origin};
use http::Method;
use tokio::time::timeout;

use super::{Issuer, in_front};

const HOST: &str = "app.example.com";

async fn connected(issuer: &Issuer, origin: &Origin) -> (Gateway, Client) {
    let yaml = in_front(HOST, &issuer.files(&[HOST]), "");
    let gateway = Gateway::config(&yaml).variable("APP", origin.address()).start().await;
    let client = issuer.client(&gateway, HOST).http2().keep().await;
    (gateway, client)
}

#[tokio::test]
async fn what_concerns_one_hop_of_http1_does_not_come_through() {
    let issuer = Issuer::new();
    let answer = Fixed::status(200)
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("x-end", "2")
        .body("hello");
    let origin = Origin::builder().otherwise(answer).start().await;
    let (_gateway, client) = connected(&issuer, &origin).await;
    let reply = client.get("/").send().await;
    reply.assert_status(200).assert_text("hello").assert_header("x-end", "2");
    for name in ["connection", "x-hop", "keep-alive", "proxy-connection", "transfer-encoding"] {
        reply.assert_no_header(name);
    }
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let issuer = Issuer::new();
    let origin = Origin::builder()
        .route("/204", Fixed::status(204))
        .route("/304", Fixed::status(304).header("etag", "\"a\""))
        .otherwise("hello")
        .start()
        .await;
    let (_gateway, client) = connected(&issuer, &origin).await;
    client.get("/204").send().await.assert_status(204).assert_text("");
    client.get("/304").send().await.assert_status(304).assert_header("etag", "\"a\"").assert_text("");
    client.head("/").send().await.assert_header("content-length", "5").assert_text("");
}

#[tokio::test]
async fn nobody_gets_a_tunnel_by_connect() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let (_gateway, client) = connected(&issuer, &origin).await;
    let call = client.request(Method::CONNECT, &format!("{HOST}:22"));
    if let Ok(opened) = call.try_open().await {
        assert!(opened.status().is_client_error(), "{opened:?}");
    }
    client.get("/").send().await.assert_status(200);
    assert!(origin.requests().iter().all(|seen| seen.method != Method::CONNECT));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let issuer = Issuer::new();
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().route("/feed", feeds.route()).otherwise("hello").start().await;
    let (gateway, client) = connected(&issuer, &origin).await;
    let mut reply = client.get("/feed").open().await;
    let feed = feeds.next().await;
    feed.send("half").await.unwrap();
    assert_eq!(reply.chunk().await.unwrap(), "half");
    feed.cut().await;
    let broken = reply.try_chunk().await;
    assert!(matches!(broken, Err(Failed::BrokenOff { .. })), "{broken:?}");
    client.get("/").send().await.assert_text("hello");
    drop((client, reply));
    let log = gateway.stop().await;
    let line = log.iter().find(|line| line["uri"] == "/feed").unwrap();
    assert!(line["reason"].is_string(), "{line:#}");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_taken_for_a_whole_one() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let (_gateway, client) = connected(&issuer, &origin).await;
    let (feed, call) = client.post("/upload", "").streamed();
    let upload = tokio::spawn(call.try_send());
    feed.send("half").await.unwrap();
    origin.reached(1).await;
    feed.cut().await;
    assert!(upload.await.unwrap().is_err());
    client.get("/").send().await.assert_status(200);
    assert!(!origin.requests()[0].complete, "the application must not believe that this was all");
}

#[tokio::test]
async fn who_does_not_read_holds_up_itself_alone() {
    const PIECE: usize = 64 << 10;
    let issuer = Issuer::new();
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().route("/feed", feeds.route()).otherwise("hello").start().await;
    let (_gateway, client) = connected(&issuer, &origin).await;
    let mut reply = client.get("/feed").open().await;
    let feed = feeds.next().await;
    let mut sent = 0;
    while let Ok(taken) = timeout(Duration::from_secs(1), feed.send(vec![b'x'; PIECE])).await {
        taken.unwrap();
        sent += PIECE;
        assert!(sent < 64 << 20, "nobody reads this, and it is taken all the same");
    }
    client.get("/").send().await.assert_text("hello");
    let mut read = 0;
    while read < sent {
        read += reply.chunk().await.unwrap().len();
    }
    drop(feed);
}
