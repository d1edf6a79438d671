//! Upstreams that refuse, stall, break off or talk nonsense.

use std::net::SocketAddr;

use headwall_testkit::{Client, Failed, Feeds, Gate, Gateway, Origin, RawOrigin, Wire, deaf_address};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::assert_error;
use crate::forwarding::in_front_of;
use crate::metrics::metric_is;

const UNREACHABLE: &str = "The server behind this address could not be reached.";
const TOO_SLOW: &str = "The server behind this address did not answer in time.";

/// One server and the timeouts to try it with.
async fn with_timeouts(server: SocketAddr, timeouts: &str) -> Gateway {
    Gateway::config(&format!(
        "
        sites: [{{ name: site, routes: [{{ name: route, api: {{ upstream: app, timeouts: {timeouts} }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{server}\"] }} }}
        "
    ))
    .start()
    .await
}

/// The reason of the last line of the log.
async fn reason(gateway: Gateway) -> String {
    let log = gateway.stop().await;
    log.last().and_then(|line| line["reason"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_a_502() {
    let refusing = deaf_address();
    let gateway = in_front_of(refusing).await;
    assert_error(&gateway.client().get("/").send().await, 502, UNREACHABLE);
    metric_is(&gateway, "headwall_upstream_requests_total{outcome=\"failed\",upstream=\"app\"}", 2.0).await;
    assert_eq!(reason(gateway).await, "upstream_connect_refused");
}

#[tokio::test]
async fn an_answer_that_does_not_come_or_is_none_is_a_502() {
    let rows = [
        ("", "upstream_closed", 2, "no byte of an answer"),
        ("HTTP/1.1 200 OK\r\ncontent-len", "upstream_closed", 2, "half a head"),
        ("I am no HTTP\r\n\r\n", "upstream_invalid_response", 1, "garbage"),
        ("HTTP/1.1 2OO OK\r\n\r\n", "upstream_invalid_response", 1, "a status that is none"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "upstream_invalid_response", 1, "a field that is none"),
    ];
    for (answer, expected, attempts, row) in rows {
        let origin = RawOrigin::start(move |mut wire: Wire| async move {
            wire.read_head().await;
            wire.write(answer).await;
        })
        .await;
        let gateway = in_front_of(origin.address()).await;
        let reply = gateway.client().get("/").send().await;
        assert_eq!(reply.status, 502, "{row}: {reply}");
        assert_error(&reply, 502, UNREACHABLE);
        assert_eq!(origin.connections(), attempts, "{row}: a server that talks nonsense is not asked twice");
        assert_eq!(reason(gateway).await, expected, "{row}");
    }
}

#[tokio::test]
async fn a_server_that_resets_the_connection_is_a_502() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.reset();
    })
    .await;
    let gateway = in_front_of(origin.address()).await;
    assert_error(&gateway.client().get("/").send().await, 502, UNREACHABLE);
    assert_eq!(reason(gateway).await, "upstream_closed");
}

#[tokio::test]
async fn a_first_byte_that_does_not_come_in_time_is_a_504() {
    let gate = Gate::closed();
    let origin = Origin::builder().route("/slow", gate.then("late")).otherwise("hello").start().await;
    let gateway = with_timeouts(origin.address(), "{ first_byte: 300ms }").await;
    for call in [gateway.client().get("/slow"), gateway.client().post("/slow", "a body")] {
        assert_error(&call.send().await, 504, TOO_SLOW);
    }
    gateway.client().get("/").send().await.assert_status(200);
    metric_is(&gateway, "headwall_upstream_requests_total{outcome=\"failed\",upstream=\"app\"}", 2.0).await;
    metric_is(&gateway, "headwall_upstream_requests_total{outcome=\"ok\",upstream=\"app\"}", 1.0).await;
    let log = gateway.stop().await;
    assert_eq!(log[0]["reason"], "upstream_read_timeout");
    assert!(log[0]["duration"].as_f64().unwrap() >= 0.3, "not before its time: {}", log[0]);
}

/// The first byte has a deadline; an answer that has begun may pause for as long as `read` allows.
#[tokio::test]
async fn an_answer_that_has_begun_is_not_cut_by_the_first_bytes_deadline() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = with_timeouts(origin.address(), "{ first_byte: 200ms }").await;
    let mut events = gateway.client().get("/").open().await.events();
    let feed = feeds.next().await;
    // What this awaits is the time itself: there is no signal for "nothing has happened".
    tokio::time::timeout(std::time::Duration::from_millis(600), events.try_next()).await.unwrap_err();
    feed.event("late").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "late");
}

#[tokio::test]
async fn an_answer_that_stops_is_broken_off_and_not_made_whole() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = with_timeouts(origin.address(), "{ first_byte: 300ms, read: 300ms }").await;
    let mut open = gateway.client().get("/").open().await;
    let feed = feeds.next().await;
    feed.send("begun").await.unwrap();
    assert_eq!(open.chunk().await.as_deref(), Some(&b"begun"[..]));
    let broken = open.try_chunk().await.unwrap_err();
    assert!(matches!(broken, Failed::BrokenOff { .. }), "{broken}");
    feed.abandoned().await;
    assert_eq!(reason(gateway).await, "upstream_read_timeout");
}

/// A listener whose queue is full answers no SYN, so connecting to it takes until the timeout.
#[tokio::test]
async fn a_connection_that_does_not_open_in_time_is_a_504() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full: TcpListener = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let _queued = TcpStream::connect(address).await.unwrap();
    let gateway = with_timeouts(address, "{ connect: 300ms }").await;
    assert_error(&gateway.client().get("/").send().await, 504, TOO_SLOW);
    assert_eq!(reason(gateway).await, "upstream_connect_timeout");
}

#[tokio::test]
async fn without_a_healthy_server_the_answer_is_503_and_when_to_come_back() {
    let refusing = deaf_address();
    let gateway = Gateway::config(
        r#"
        sites: [{ name: site, routes: [{ name: route, api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"], health_check: { interval: 3s, fall: 1 } } }
        "#,
    )
    .variable("APP", refusing)
    .start()
    .await;
    let reply = gateway.client().get("/").send().await;
    reply.assert_header("retry-after", "3");
    assert_error(&reply, 503, "The service is not available right now. Please try again later.");
    metric_is(
        &gateway,
        "headwall_local_replies_total{reason=\"no_healthy_server\",route=\"route\",site=\"site\"}",
        1.0,
    )
    .await;
    assert_eq!(reason(gateway).await, "no_healthy_server");
}

/// A client must be able to tell half an answer from a whole one, however its length was announced.
#[tokio::test]
async fn half_an_answer_reaches_the_client_as_half_an_answer() {
    let rows = [
        ("content-length: 100\r\n\r\nhalf", "a length"),
        ("transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "chunks"),
        ("transfer-encoding: chunked\r\n\r\n64\r\nhalf", "the middle of a chunk"),
    ];
    for (rest, row) in rows {
        let origin = RawOrigin::start(move |mut wire: Wire| async move {
            wire.read_head().await;
            wire.write(format!("HTTP/1.1 200 OK\r\n{rest}")).await;
        })
        .await;
        let gateway = in_front_of(origin.address()).await;
        let failed = gateway.client().get("/").try_send().await.unwrap_err();
        assert!(matches!(failed, Failed::BrokenOff { .. }), "{row}: {failed}");
        assert_eq!(failed.so_far().unwrap().text(), "half", "{row}: what there was has come");
        let log = gateway.stop().await;
        assert_eq!((&log[0]["status"], &log[0]["reason"]), (&200.into(), &"upstream_closed".into()), "{row}");
    }
}

/// RFC 9112, 6.3: an answer without a length ends with the connection, and that end is a good one.
#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nall there is").await;
    })
    .await;
    let gateway = in_front_of(origin.address()).await;
    let client = Client::connect(gateway.address()).await;
    for _ in 0..2 {
        client.get("/").send().await.assert_status(200).assert_text("all there is");
    }
}
