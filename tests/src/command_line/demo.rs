//! `headwall demo`, and the server in front of it with the config that the quickstart names.

use headwall_testkit::Client;
use tempfile::tempdir;

use super::process::{Process, headwall};

#[tokio::test]
async fn the_demo_app_serves_until_it_is_told_to_stop() {
    let mut demo = Process::start(&["demo", "127.0.0.1:0"], tempdir().unwrap());
    demo.hears("the demo app is at").await;
    let client = Client::to(demo.said("the demo app is at http://"));
    assert_eq!(client.get("/api/health").send().await.json()["status"], "ok");
    let mut events = client.get("/api/events?count=2&every=10ms").open().await.events();
    assert_eq!(events.next().await.unwrap().data, r#"{"n":1}"#);
    let mut socket = client.websocket("/ws").open().await;
    socket.send("hello").await;
    assert_eq!(socket.text().await, "hello");
    drop((events, socket));
    demo.signal("TERM").await;
    assert_eq!(demo.ended().await, Some(0));
}

#[tokio::test]
async fn a_taken_address_is_told() {
    let dir = tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = headwall(dir.path(), &["demo", &address]).await;
    assert_eq!(refused.code, Some(1));
    let message = format!("error: the demo app cannot be served on {address}: ");
    assert!(refused.err.starts_with(&message), "{}", refused.err);
}
