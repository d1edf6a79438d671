//! What does not finish in time.

use std::time::{Duration, Instant};

use headwall_testkit::{Ending, Failed, Feeds, Gateway, Origin, Sockets, within};

use crate::command_line::process::Process;

const HASTY: &str = "
shutdown: { timeout: 700ms }
sites:
  - routes:
      - { match: { path: /ws }, websocket: { upstream: app } }
      - { api: { upstream: app } }
upstreams: { app: { servers: [\"${APP}\"] } }
";

#[tokio::test]
async fn a_socket_is_cut_and_its_line_says_why() {
    let mut sockets = Sockets::new();
    let origin = Origin::builder().otherwise(sockets.route()).start().await;
    let gateway = Gateway::config(HASTY).variable("APP", origin.address()).start().await;
    let mut client = gateway.client().websocket("/ws").open().await;
    let mut server = sockets.next().await;
    client.send("hello").await;
    assert_eq!(server.text().await, "hello");

    let began = Instant::now();
    let log = within(5, gateway.stop()).await;
    assert!(began.elapsed() >= Duration::from_millis(700), "cut after {:?}", began.elapsed());
    assert_eq!(log.len(), 1, "{log:#?}");
    assert_eq!((&log[0]["kind"], &log[0]["reason"]), (&"websocket".into(), &"shutdown".into()));
    assert!(matches!(client.ending().await, Ending::Cut(_)));
    assert!(matches!(server.ending().await, Ending::Cut(_)));
}

#[tokio::test]
async fn a_stream_is_cut_and_seen_to_be_incomplete() {
    let mut feeds = Feeds::events();
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = Gateway::config(HASTY).variable("APP", origin.address()).start().await;
    let mut events = gateway.client().get("/events").open().await.events();
    let feed = feeds.next().await;
    feed.event("one").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "one");

    let began = Instant::now();
    within(5, gateway.stop()).await;
    assert!(began.elapsed() >= Duration::from_millis(700), "cut after {:?}", began.elapsed());
    let end = events.try_next().await.expect_err("an end without the last chunk");
    assert!(matches!(end, Failed::BrokenOff { .. }), "{end}");
    feed.abandoned().await;
}

#[tokio::test]
async fn a_process_with_a_stream_and_a_socket_ends_when_its_time_is_over() {
    let (mut feeds, mut sockets) = (Feeds::events(), Sockets::new());
    let origin = Origin::builder().route("/events", feeds.route()).otherwise(sockets.route()).start().await;
    let mut server = Process::serving(&HASTY.replace("${APP}", &origin.address().to_string())).await;
    let mut events = server.client().get("/events").open().await.events();
    let feed = feeds.next().await;
    let socket = server.client().websocket("/ws").open().await;
    let origin_socket = sockets.next().await;

    let began = Instant::now();
    server.signal("TERM").await;
    server.refuses().await;
    feed.event("while it drains").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "while it drains");
    server.hears("2 connections are still open after 700ms and are cut").await;
    assert_eq!(server.ended().await, Some(0), "it stopped as it was asked to");
    let took = began.elapsed();
    assert!((700..5_000).contains(&took.as_millis()), "it took {took:?}");

    let end = events.try_next().await.expect_err("an end without the last chunk");
    assert!(matches!(end, Failed::BrokenOff { .. }), "{end}");
    assert!(matches!(socket.ending().await, Ending::Cut(_)));
    drop(origin_socket);
    let log = server.log();
    let line = log.iter().find(|line| line["kind"] == "websocket");
    assert_eq!(line.map(|line| &line["reason"]), Some(&"shutdown".into()), "{log:#?}");
}
