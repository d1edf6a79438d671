//! Requests and the config they begin with.

use headwall_testkit::{Client, Ending, Feeds, Gate, Gateway, Origin, Sockets};

use super::reloads;

#[tokio::test]
async fn new_requests_take_new_routes_and_one_in_flight_finishes_on_the_old() {
    let gate = Gate::closed();
    let origin =
        Origin::builder().route("/slow", gate.then("from the old")).otherwise("from the new").start().await;
    let config = |name: &str| {
        format!(
            "
            sites:
              - name: app
                filters: [{{ headers: {{ response: {{ set: {{ x-config: {name} }} }} }} }}]
                routes: [{{ name: {name}, api: {{ upstream: {name} }} }}]
            upstreams: {{ {name}: {{ servers: [\"${{APP}}\"] }} }}
            "
        )
    };
    let mut gateway = Gateway::config(&config("old")).variable("APP", origin.address()).start().await;
    let held = tokio::spawn(gateway.client().get("/slow").send());
    gate.reached(1).await;

    gateway.reload(&config("new")).await.unwrap();
    gateway.client().get("/").send().await.assert_text("from the new").assert_header("x-config", "new");

    gate.open();
    let old = held.await.unwrap();
    old.assert_status(200).assert_text("from the old").assert_header("x-config", "old");
    assert_eq!(reloads(&gateway, "succeeded"), Some(1.0));
    assert_eq!(gateway.metric("headwall_config_last_reload_successful"), Some(1.0));
    let log = gateway.stop().await;
    let told: Vec<_> = log.iter().map(|line| (line["route"].as_str(), line["upstream"].as_str())).collect();
    assert_eq!(told, [(Some("new"), Some("new")), (Some("old"), Some("old"))]);
}

#[tokio::test]
async fn a_kept_connection_takes_new_routes_with_its_next_request() {
    let mut gateway = Gateway::start("sites: [{ routes: [{ respond: { body: one } }] }]").await;
    let client = Client::connect(gateway.address()).await;
    client.get("/").send().await.assert_text("one");
    gateway.reload("sites: [{ routes: [{ respond: { body: two } }] }]").await.unwrap();
    client.get("/").send().await.assert_text("two");
    assert_eq!(gateway.metric("headwall_connections_accepted_total"), Some(1.0), "it is the same connection");
}

#[tokio::test]
async fn open_streams_and_sockets_stay_when_their_routes_go() {
    let (mut feeds, mut sockets) = (Feeds::events(), Sockets::new());
    let origin = Origin::builder().route("/events", feeds.route()).otherwise(sockets.route()).start().await;
    let mut gateway = Gateway::config(
        "
        sites:
          - routes:
              - { match: { path: /events }, api: { upstream: app } }
              - { match: { path: /ws }, websocket: { upstream: app } }
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let mut events = gateway.client().get("/events").open().await.events();
    let feed = feeds.next().await;
    feed.event("before").await.unwrap();
    assert_eq!(events.next().await.unwrap().data, "before");
    let mut client = gateway.client().websocket("/ws").open().await;
    let mut server = sockets.next().await;

    for round in 0..3 {
        let yaml = format!("sites: [{{ routes: [{{ respond: {{ body: round {round} }} }}] }}]");
        gateway.reload(&yaml).await.unwrap();
        gateway.client().get("/events").send().await.assert_text(&format!("round {round}"));
        feed.event("after").await.unwrap();
        assert_eq!(events.next().await.unwrap().data, "after", "round {round}");
        client.send("ping").await;
        assert_eq!(server.text().await, "ping", "round {round}");
        server.send("pong").await;
        assert_eq!(client.text().await, "pong", "round {round}");
    }
    feed.end();
    assert_eq!(events.next().await, None);
    server.close(1000, "").await;
    assert_eq!(client.ending().await, Ending::Closed { code: Some(1000), reason: String::new() });
}
