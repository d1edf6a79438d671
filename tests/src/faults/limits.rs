//! How long a server may take for each step, and for all of it.

use std::time::{Duration, Instant};

use headwall_testkit::{Failed, Feeds, Gate, Gateway, Origin, RawOrigin};

use super::last_line;

/// A gateway that speaks both HTTPs to its clients, with a route of these settings to a server of this protocol.
async fn between(origin: std::net::SocketAddr, protocol: &str, route: &str) -> Gateway {
    Gateway::start(&format!(
        "
        listeners: [{{ address: \"127.0.0.1:0\", http2: true }}]
        sites: [{{ routes: [{{ api: {{ upstream: app, {route} }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{origin}\"], protocol: {protocol} }} }}
        "
    ))
    .await
}

fn origin(protocol: &str) -> headwall_testkit::OriginBuilder {
    if protocol == "http2" { Origin::builder().http2() } else { Origin::builder() }
}

/// Client and server, each in one HTTP or the other.
const PAIRS: [(bool, &str); 4] = [(false, "http1"), (true, "http1"), (false, "http2"), (true, "http2")];

#[tokio::test]
async fn an_upstreams_timeouts_are_for_routes_without_any() {
    let gate = Gate::closed();
    let origin = Origin::builder().otherwise(gate.then("late")).start().await;
    let gateway = Gateway::start(&format!(
        "
        sites:
          - routes:
              - match: {{ path: /own }}
                api: {{ upstream: app, timeouts: {{ total: 30s }} }}
              - api: {{ upstream: app }}
        upstreams: {{ app: {{ servers: [\"{}\"], timeouts: {{ first_byte: 50ms }} }} }}
        ",
        origin.address()
    ))
    .await;
    let client = gateway.client();
    let patient = tokio::spawn(client.get("/own").send());
    gate.reached(1).await;
    client.get("/").send().await.assert_status(504);
    gate.open();
    patient.await.unwrap().assert_status(200).assert_text("late");
}

#[tokio::test]
async fn the_total_ends_a_silent_server_and_a_talkative_one() {
    for (is_http2, protocol) in PAIRS {
        let mut feeds = Feeds::of("text/plain");
        let gate = Gate::closed();
        let routes = origin(protocol).route("/silent", gate.then("late")).route("/talks", feeds.route());
        let origin = routes.start().await;
        let gateway = between(origin.address(), protocol, "timeouts: { total: 400ms }").await;
        let client = if is_http2 { gateway.client().http2() } else { gateway.client() };
        let row = format!("client in HTTP/2: {is_http2}, server in {protocol}");
        let since = Instant::now();
        assert_eq!(client.get("/silent").send().await.status, 504, "{row}");
        assert!(since.elapsed() >= Duration::from_millis(399), "{row}: not before its time");
        let mut open = client.get("/talks").open().await;
        let feed = feeds.next().await;
        let broken = loop {
            // A server that goes on talking; what it says is of no matter.
            let said = feed.send("piece").await;
            match open.try_chunk().await {
                Ok(Some(_)) if said.is_ok() => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(other) => panic!("{row}: {other:?}"),
                Err(broken) => break broken,
            }
        };
        assert!(matches!(broken, Failed::BrokenOff { .. }), "{row}: {broken}");
        let log = gateway.stop().await;
        for line in log {
            assert_eq!(line["reason"], "upstream_total_timeout", "{row}: {line}");
        }
    }
}

#[tokio::test]
async fn the_first_byte_has_a_deadline_for_clients_of_both_protocols() {
    for is_http2 in [false, true] {
        let gate = Gate::closed();
        let origin = Origin::builder().otherwise(gate.then("late")).start().await;
        let settings = "timeouts: { first_byte: 300ms, read: 1h }";
        let gateway = between(origin.address(), "http1", settings).await;
        let client = if is_http2 { gateway.client().http2() } else { gateway.client() };
        for call in [client.get("/"), client.post("/", "a body")] {
            assert_eq!(call.send().await.status, 504, "client in HTTP/2: {is_http2}");
        }
        assert_eq!(last_line(gateway).await["reason"], "upstream_read_timeout");
    }
}

/// Long polls and streams live for as long as they speak.
#[tokio::test]
async fn a_stream_outlives_the_deadline_of_its_first_byte() {
    for (is_http2, protocol) in PAIRS {
        let mut feeds = Feeds::events();
        let origin = origin(protocol).otherwise(feeds.route()).start().await;
        let settings = "timeouts: { first_byte: 300ms, read: 1h }, retry: { per_try_timeout: 300ms }";
        let gateway = between(origin.address(), protocol, settings).await;
        let client = if is_http2 { gateway.client().http2() } else { gateway.client() };
        let mut events = client.get("/").open().await.events();
        let feed = feeds.next().await;
        // What this awaits is the time itself: there is no signal for "nothing has happened".
        tokio::time::timeout(Duration::from_millis(700), events.try_next()).await.unwrap_err();
        feed.event("late").await.unwrap();
        assert_eq!(
            events.next().await.unwrap().data,
            "late",
            "client in HTTP/2: {is_http2}, server in {protocol}"
        );
    }
}

#[tokio::test]
async fn a_total_of_the_route_bounds_all_attempts_together() {
    let silent = RawOrigin::silent().await;
    let settings =
        "timeouts: { total: 500ms }, retry: { attempts: 10, per_try_timeout: 100ms, backoff: 1ms }";
    let gateway = between(silent.address(), "http1", settings).await;
    let since = Instant::now();
    assert_eq!(gateway.client().get("/").send().await.status, 504);
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "ten attempts would have taken longer, with their waits"
    );
    let line = last_line(gateway).await;
    assert!(line["attempts"].as_u64().unwrap() > 1, "{line}");
}
