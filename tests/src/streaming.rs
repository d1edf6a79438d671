//! Streams: each piece is at the client before the next one exists, and both ends notice when the other leaves.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::poll_fn;
use headwall::{
    Action, BoxError, Build, Context, LocalReply, Module, RequestHead, Server, Service, async_trait,
};
use headwall_testkit::{Feeds, Gateway, Origin, RawOrigin, Wire, eventually};
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::{broadcast, mpsc};

use crate::forwarding::in_front_of;
use crate::metrics::metric_is;

/// Sends an event, awaits it, and only then sends the next.
async fn one_by_one(gateway: &Gateway, feeds: &mut Feeds, path: &str) {
    let mut events = gateway.client().get(path).header("accept", "text/event-stream").open().await.events();
    events.reply().assert_status(200).assert_header("content-type", "text/event-stream");
    let feed = feeds.next().await;
    for data in ["one", "two\nlines", "three"] {
        assert!(feed.event(data).await.is_ok(), "the origin is still being read");
        assert_eq!(events.next().await.map(|event| event.data).as_deref(), Some(data));
    }
    feed.end();
    assert_eq!(events.next().await, None, "the end comes through too");
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    one_by_one(&gateway, &mut feeds, "/events").await;
    let log = gateway.stop().await;
    assert!(log[0]["first_byte"].as_f64().unwrap() <= log[0]["duration"].as_f64().unwrap());
}

#[tokio::test]
async fn events_arrive_one_by_one_behind_filters() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = Gateway::config(
        r#"
        sites:
          - filters: [{ security_headers: {} }, { headers: { response: { remove: [server] } } }]
            routes:
              - filters: [{ rate_limit: { rate: 100r/s, burst: 20 } }]
                api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    one_by_one(&gateway, &mut feeds, "/events").await;
}

/// The head alone is news: a browser's `EventSource` is open from then on.
#[tokio::test]
async fn the_head_of_a_stream_does_not_wait_for_its_first_event() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let open = gateway.client().get("/events").open().await;
    open.assert_status(200);
    drop(feeds.next().await);
}

/// An answer that says its length is none the less passed on as it comes.
#[tokio::test]
async fn a_body_of_known_length_arrives_piece_by_piece() {
    let more = Arc::new(tokio::sync::Notify::new());
    let heard = more.clone();
    let origin = RawOrigin::start(move |mut wire: Wire| {
        let heard = heard.clone();
        async move {
            wire.read_head().await;
            wire.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n").await;
            for piece in ["one", "two"] {
                heard.notified().await;
                wire.write(piece).await;
            }
            wire.read_to_end().await;
        }
    })
    .await;
    let gateway = in_front_of(origin.address()).await;
    let mut open = gateway.client().get("/").open().await;
    for piece in ["one", "two"] {
        more.notify_one();
        assert_eq!(open.chunk().await.as_deref(), Some(piece.as_bytes()));
    }
    assert_eq!(open.chunk().await, None);
}

#[tokio::test]
async fn many_streams_are_open_at_once() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        let events = gateway.client().get("/events").open().await.events();
        streams.push((events, feeds.next().await));
    }
    for (index, (events, feed)) in streams.iter_mut().enumerate() {
        feed.event(&index.to_string()).await.unwrap();
        assert_eq!(events.next().await.unwrap().data, index.to_string());
    }
    let in_flight = "headwall_requests_in_flight{route=\"route\",site=\"site\"}";
    assert_eq!(gateway.metric(in_flight), Some(50.0));
    drop(streams);
    metric_is(&gateway, in_flight, 0.0).await;
}

#[tokio::test]
async fn the_origin_notices_that_a_client_has_left() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut events = gateway.client().get("/events").open().await.events();
    let feed = feeds.next().await;
    feed.event("one").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "one");
    drop(events);
    // Without another event: a stream that is silent for hours must not stay open for a client that is gone.
    feed.abandoned().await;
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&200.into(), &"client_closed".into()));
}

#[tokio::test]
async fn the_client_notices_that_the_origin_has_broken_off() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut events = gateway.client().get("/events").open().await.events();
    let feed = feeds.next().await;
    feed.event("one").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "one");
    feed.cut().await;
    events.try_next().await.unwrap_err();
}

/// Settings of a service that streams events of its own: what one client says, all that listen hear.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, garde::Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
struct Chat {}

struct Room {
    said: broadcast::Sender<Bytes>,
}

impl Module for Chat {
    type Makes = dyn Service;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        Ok(Arc::new(Room { said: broadcast::Sender::new(16) }))
    }
}

impl Room {
    /// A stream of what is said from now on.
    fn listen(&self) -> LocalReply {
        let mut heard = self.said.subscribe();
        let (pieces, mut received) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    said = heard.recv() => match said {
                        Ok(said) => drop(pieces.send(said).await),
                        Err(_) => return,
                    },
                    // Only when the gateway has dropped the stream; then this listener is gone.
                    () = pieces.closed() => return,
                }
            }
        });
        let stream = poll_fn(move |cx| received.poll_recv(cx).map(|piece| piece.map(Ok::<_, BoxError>)));
        LocalReply::stream(StatusCode::OK, HeaderValue::from_static("text/event-stream"), stream)
    }
}

/// Pieces that are announced to be eight bytes.
fn sized(pieces: &[&'static str]) -> LocalReply {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
    let text = HeaderValue::from_static("text/plain");
    LocalReply::sized_stream(StatusCode::OK, text, 8, futures_util::stream::iter(pieces))
}

#[async_trait]
impl Service for Room {
    async fn call(&self, req: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        Ok(Action::Reply(match (&req.method, req.uri.path()) {
            (&Method::GET, "/listen") => self.listen(),
            (&Method::GET, "/end") => LocalReply::stream(
                StatusCode::OK,
                HeaderValue::from_static("text/plain"),
                futures_util::stream::iter(
                    ["a", "", "b"].map(|piece| Ok(Bytes::from_static(piece.as_bytes()))),
                ),
            ),
            (&Method::GET, "/fail") => LocalReply::stream(
                StatusCode::OK,
                HeaderValue::from_static("text/plain"),
                futures_util::stream::iter([Ok(Bytes::from_static(b"half")), Err("broken".into())]),
            ),
            (_, "/sized") => sized(&["half", "", "half"]),
            (&Method::GET, "/short") => sized(&["half"]),
            (&Method::GET, "/long") => sized(&["half", "half", "more"]),
            (&Method::POST, "/say") => {
                let text = req.uri.query().unwrap_or_default();
                let heard_by = self.said.send(format!("data: {text}\n\n").into()).unwrap_or(0);
                LocalReply::text(StatusCode::OK, heard_by.to_string())
            }
            _ => LocalReply::text(StatusCode::OK, self.said.receiver_count().to_string()),
        }))
    }
}

async fn chat() -> Gateway {
    Gateway::config(
        "listeners: [{ address: \"127.0.0.1:0\", http2: true }]\n\
         sites: [{ name: site, filters: [{ security_headers: {} }], routes: [{ name: chat, chat: {} }] }]",
    )
    .server(Server::new().service::<Chat>("chat"))
    .start()
    .await
}

#[tokio::test]
async fn a_service_of_ones_own_streams_events_one_by_one() {
    let gateway = chat().await;
    let mut events = gateway.client().get("/listen").open().await.events();
    events
        .reply()
        .assert_status(200)
        .assert_header("content-type", "text/event-stream")
        .assert_header("x-content-type-options", "nosniff");
    for said in ["one", "two", "three"] {
        gateway.client().post(&format!("/say?{said}"), "").send().await.assert_text("1");
        assert_eq!(events.next().await.unwrap().data, said);
    }
}

#[tokio::test]
async fn the_stream_of_a_service_is_dropped_when_its_client_leaves() {
    let gateway = chat().await;
    let events = gateway.client().get("/listen").open().await.events();
    gateway.client().get("/").send().await.assert_text("1");
    drop(events);
    // Boxed, because a client that could speak TLS is a large one to keep on the stack.
    let listeners = async || Box::pin(gateway.client().get("/").send()).await.text();
    eventually(5, async || (listeners().await == "0").then_some(())).await;
    metric_is(&gateway, "headwall_requests_in_flight{route=\"chat\",site=\"site\"}", 0.0).await;
    let log = gateway.stop().await;
    let line = log.iter().find(|line| line["uri"] == "/listen").unwrap();
    assert_eq!((&line["status"], &line["reason"]), (&200.into(), &"client_closed".into()));
}

#[tokio::test]
async fn the_stream_of_a_service_has_an_end_and_an_empty_piece_is_not_it() {
    let gateway = chat().await;
    let client = headwall_testkit::Client::connect(gateway.address()).await;
    client.get("/end").send().await.assert_status(200).assert_text("ab");
    client.head("/end").send().await.assert_status(200).assert_text("");
    client.get("/end").send().await.assert_text("ab");
    assert_eq!(gateway.metric("headwall_connections_accepted_total"), Some(1.0), "the connection is kept");
}

#[tokio::test]
async fn a_stream_of_known_length_is_announced_and_kept() {
    let gateway = chat().await;
    let client = headwall_testkit::Client::connect(gateway.address()).await;
    let whole = client.get("/sized").send().await;
    whole.assert_status(200).assert_text("halfhalf").assert_header("content-length", "8");
    whole.assert_no_header("transfer-encoding");
    let head = client.head("/sized").send().await;
    head.assert_status(200).assert_text("").assert_header("content-length", "8");
    assert_eq!(gateway.metric("headwall_connections_accepted_total"), Some(1.0), "the connection is kept");
}

#[tokio::test]
async fn a_stream_of_another_length_than_announced_is_broken_off() {
    let gateway = chat().await;
    for client in [gateway.client(), gateway.client().http2()] {
        // A stream of HTTP/2 that is reset may take along what was not sent yet.
        let failed = client.get("/short").try_send().await.expect_err("never a part that looks whole");
        assert!(failed.so_far().is_none_or(|part| "half".starts_with(&part.text())), "{failed}");
        let sent = match client.get("/long").try_send().await {
            Ok(whole) => whole.text(),
            Err(failed) => failed.so_far().map(headwall_testkit::Reply::text).unwrap_or_default(),
        };
        assert!("halfhalf".starts_with(&sent), "never more than was said: {sent}");
    }
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&200.into(), &"internal_error".into()));
}

#[tokio::test]
async fn the_stream_of_a_service_that_fails_is_broken_off() {
    let gateway = chat().await;
    let failed = gateway.client().get("/fail").try_send().await.unwrap_err();
    assert_eq!(failed.so_far().unwrap().text(), "half");
    gateway.client().get("/end").send().await.assert_text("ab");
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&200.into(), &"internal_error".into()));
}
