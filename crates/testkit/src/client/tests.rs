//! The client's own behaviour; its replies are tested beside their type, its streams beside the origin's feeds.

use std::net::Ipv4Addr;

use bytes::Bytes;
use tokio::io::duplex;

use super::*;
use crate::{Echo, Feeds, Gate, Origin, RawOrigin, Wire, deaf_address};

#[tokio::test]
async fn a_kept_connection_is_used_again_and_a_fresh_one_is_not() {
    let origin = Origin::fixed("hello").await;
    let kept = Client::connect(origin.address()).await;
    for _ in 0..3 {
        kept.get("/").send().await.assert_text("hello");
    }
    assert_eq!(origin.connections(), 1, "kept alive");
    for _ in 0..2 {
        Client::to(origin.address()).get("/").send().await.assert_text("hello");
    }
    assert_eq!(origin.connections(), 3, "fresh ones");
}

#[tokio::test]
async fn requests_go_over_any_stream() {
    let (near, far) = duplex(1024);
    let server = tokio::spawn(async move {
        let mut far = far;
        let mut request = vec![0; 64];
        let length = tokio::io::AsyncReadExt::read(&mut far, &mut request).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut far, b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    Client::over(near).await.get("/x").send().await.assert_status(204);
    assert_eq!(
        server.await.unwrap(),
        "GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "nothing that was not asked for"
    );
}

#[tokio::test]
async fn the_host_is_the_calls_or_the_clients_or_the_address() {
    let origin = Origin::fixed("").await;
    let client = Client::to(origin.address());
    client.get("/").send().await;
    client.clone().host("client.test").get("/").send().await;
    client.clone().host("client.test").get("/").host("call.test").send().await;
    let hosts: Vec<_> = origin.requests().iter().map(|seen| seen.header_values("host")).collect();
    assert_eq!(
        hosts,
        [vec![origin.address().to_string()], vec!["client.test".into()], vec!["call.test".into()]]
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_can_come_from_another_address() {
    let origin = Origin::fixed("").await;
    let from = Ipv4Addr::new(127, 0, 0, 9);
    Client::to(origin.address()).from_ip(from.into()).get("/").send().await;
    assert_eq!(origin.requests()[0].remote.ip(), from);
}

#[tokio::test]
async fn bodies_are_sent_as_they_were_given() {
    let origin = Origin::builder().route("/echo", Echo).start().await;
    let client = Client::to(origin.address());
    let json = serde_json::json!({ "user": "a" });
    client.post("/echo", "").json(&json).send().await;
    client.post("/echo", "").filled(100_000).send().await;
    client.get("/echo").send().await;

    let seen = origin.requests();
    assert_eq!(
        (seen[0].text(), seen[0].header("content-type")),
        (json.to_string(), Some("application/json"))
    );
    assert_eq!((seen[1].body.len(), seen[1].header("transfer-encoding")), (100_000, Some("chunked")));
    assert_eq!((seen[2].body.len(), seen[2].header("content-length")), (0, None));
}

#[tokio::test]
async fn nobody_there_is_a_failed_connection() {
    let failed = Client::to(deaf_address()).get("/").try_send().await.unwrap_err();
    assert!(matches!(failed, Failed::Connect { .. }), "{failed}");
}

#[tokio::test]
#[should_panic(expected = "GET /where: could not connect to 127.0.0.1:")]
async fn a_failed_send_names_the_request() {
    Client::to(deaf_address()).get("/where").send().await;
}

#[tokio::test]
async fn a_close_by_the_other_side_is_seen() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    })
    .await;
    let client = Client::connect(origin.address()).await;
    client.get("/").send().await.assert_status(200);
    client.closed().await;
}

#[tokio::test]
async fn a_reply_is_read_before_its_request_is_whole() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_until("first").await;
        wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await;
        wire.read_until("second").await;
        wire.write("3\r\ntwo\r\n0\r\n\r\n").await;
    })
    .await;
    let (feed, call) = Client::to(origin.address()).post("/both-ways", "").streamed();
    let opening = tokio::spawn(call.open());
    feed.send("first").await.unwrap();
    let mut reply = opening.await.unwrap();
    assert_eq!(reply.chunk().await, Some(Bytes::from("one")));
    feed.send("second").await.unwrap();
    assert_eq!(reply.chunk().await, Some(Bytes::from("two")));
}

#[tokio::test]
async fn events_are_read_one_at_a_time() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().route("/events", feeds.route()).start().await;
    let mut events = Client::to(origin.address()).get("/events").open().await.events();
    events.reply().assert_header("content-type", "text/event-stream");

    let feed = feeds.next().await;
    feed.event("one\nline").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "one\nline");
    feed.send("data: tw").await.unwrap();
    feed.send("o\n\ndata: three\n\n").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "two");
    assert_eq!(events.next().await.unwrap().data, "three");
    feed.end();
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn calls_on_one_connection_wait_for_each_other() {
    let gate = Gate::closed();
    let origin = Origin::builder().route("/held", gate.then("first")).otherwise("second").start().await;
    let client = Client::connect(origin.address()).await;
    let first = tokio::spawn(client.get("/held").send());
    gate.reached(1).await;
    let second = tokio::spawn(client.get("/").send());
    gate.open();
    first.await.unwrap().assert_text("first");
    second.await.unwrap().assert_text("second");
    assert_eq!(origin.connections(), 1);
}
