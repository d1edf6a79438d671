//! What finishes in time.

use std::time::{Duration, Instant};

use headwall_testkit::{Client, Ending, Feeds, Gate, Gateway, Origin, Sockets, eventually, within};

use crate::command_line::process::Process;

/// A config with one upstream, and far more time to drain than a test has.
const PATIENT: &str = "
shutdown: { timeout: 1h }
sites:
  - routes:
      - { match: { path: /ws }, websocket: { upstream: app } }
      - { api: { upstream: app } }
upstreams: { app: { servers: [\"${APP}\"] } }
";

async fn until_closed(address: std::net::SocketAddr) {
    eventually(5, async || tokio::net::TcpStream::connect(address).await.err().map(drop)).await;
}

#[tokio::test]
async fn a_request_in_flight_finishes_and_closes_its_connection() {
    let gate = Gate::closed();
    let origin = Origin::builder().otherwise(gate.then("late")).start().await;
    let gateway = Gateway::config(PATIENT).variable("APP", origin.address()).start().await;
    let address = gateway.address();
    let client = Client::connect(address).await;
    let held = tokio::spawn(client.get("/").send());
    gate.reached(1).await;

    let stopping = tokio::spawn(gateway.stop());
    until_closed(address).await;
    gate.open();
    let reply = held.await.unwrap();
    reply.assert_status(200).assert_text("late").assert_header("connection", "close");
    client.closed().await;
    let log = within(5, stopping).await.unwrap();
    assert_eq!(log.len(), 1);
}

#[tokio::test]
async fn a_server_without_work_stops_at_once() {
    let gateway = Gateway::start(&PATIENT.replace("${APP}", "127.0.0.1:1")).await;
    within(5, gateway.stop()).await;
}

#[tokio::test]
async fn a_connection_that_waits_for_its_next_request_is_closed() {
    let origin = Origin::fixed("hello").await;
    let gateway = Gateway::config(PATIENT).variable("APP", origin.address()).start().await;
    let client = Client::connect(gateway.address()).await;
    client.get("/").send().await.assert_text("hello");
    let stopping = tokio::spawn(gateway.stop());
    client.closed().await;
    within(5, stopping).await.unwrap();
}

#[tokio::test]
async fn a_stream_and_a_socket_that_end_by_themselves_end_well() {
    let (mut feeds, mut sockets) = (Feeds::events(), Sockets::new());
    let origin = Origin::builder().route("/events", feeds.route()).otherwise(sockets.route()).start().await;
    let gateway = Gateway::config(PATIENT).variable("APP", origin.address()).start().await;
    let address = gateway.address();
    let mut events = gateway.client().get("/events").open().await.events();
    let feed = feeds.next().await;
    let mut socket = gateway.client().websocket("/ws").open().await;
    let mut server = sockets.next().await;

    let stopping = tokio::spawn(gateway.stop());
    until_closed(address).await;
    feed.event("still here").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "still here");
    socket.send("still here").await;
    assert_eq!(server.text().await, "still here");

    feed.end();
    assert_eq!(events.next().await, None, "the stream ended as a whole one does");
    server.close(1001, "bye").await;
    assert_eq!(socket.ending().await, Ending::Closed { code: Some(1001), reason: "bye".into() });
    drop(server);
    let log = within(5, stopping).await.unwrap();
    assert!(log.iter().all(|line| line["reason"].is_null() || line["reason"] == "closed"), "{log:#?}");
}

#[tokio::test]
async fn a_draining_process_is_not_ready_and_exits_as_soon_as_it_is_drained() {
    let gate = Gate::closed();
    let origin = Origin::builder().otherwise(gate.then("late")).start().await;
    let mut server = Process::serving(&PATIENT.replace("${APP}", &origin.address().to_string())).await;
    server.admin("/readyz").await.assert_status(200);
    let held = tokio::spawn(server.client().get("/").send());
    gate.reached(1).await;

    server.signal("TERM").await;
    server.refuses().await;
    let ready = server.admin("/readyz").await;
    ready.assert_status(503);
    assert_eq!(ready.json()["status"], "draining");
    server.admin("/livez").await.assert_status(200);
    assert!(server.admin("/metrics").await.text().contains("headwall_connections_open 1\n"));

    gate.open();
    let drained = Instant::now();
    held.await.unwrap().assert_status(200).assert_text("late").assert_header("connection", "close");
    assert_eq!(server.ended().await, Some(0));
    assert!(drained.elapsed() < Duration::from_secs(5), "it took {:?}", drained.elapsed());
}
