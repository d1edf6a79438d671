//! Active health checks: what they ask, when they judge, and what follows.

use headwall_testkit::{Client, Fixed, Gateway, GatewayBuilder, Origin, RawOrigin, Wire, deaf_address};

use super::{Health, checks, is_up, server, until_up};

/// A gateway in front of the upstream `app` with one server and this check.
fn checked(check: &str, server: std::net::SocketAddr) -> GatewayBuilder {
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams:
          app: {{ servers: [\"{server}\"], health_check: {{ {check} }} }}
        "
    );
    Gateway::config(&yaml)
}

#[tokio::test]
async fn the_first_check_is_made_before_the_first_request() {
    for check in ["path: /health", "interval: 30s"] {
        let gateway = checked(check, deaf_address()).start().await;
        let reply = gateway.client().get("/").send().await;
        reply.assert_status(503).assert_header("content-type", "application/json");
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=10).contains(&wait), "{check}: {reply}");
        let log = gateway.stop().await;
        assert_eq!(log[0]["reason"], "no_healthy_server", "{check}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_checks_is_taken_to_work() {
    let address = deaf_address();
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{address}\"] }} }}
        "
    );
    let gateway = Gateway::start(&yaml).await;
    gateway.client().get("/").send().await.assert_status(502);
    gateway.client().get("/").send().await.assert_status(502).assert_no_header("retry-after");
}

#[tokio::test]
async fn a_server_falls_after_so_many_failures_and_rises_after_so_many_successes() {
    let health = Health::with(200);
    let origin = server("hello", &health).await;
    let check = "path: /health, interval: 500ms, fall: 3, rise: 2";
    let gateway = checked(check, origin.address()).start().await;
    assert_eq!((is_up(&gateway, &origin), checks(&gateway, &origin, "passed")), (Some(1.0), Some(1.0)));
    gateway.client().get("/").send().await.assert_status(200);

    health.becomes(500);
    until_up(&gateway, &origin, false).await;
    assert_eq!(
        checks(&gateway, &origin, "failed"),
        Some(3.0),
        "after the third failure, no sooner and no later"
    );
    gateway.client().get("/").send().await.assert_status(503);

    let passed = checks(&gateway, &origin, "passed").unwrap();
    health.becomes(204);
    until_up(&gateway, &origin, true).await;
    assert_eq!(checks(&gateway, &origin, "passed"), Some(passed + 2.0), "after the second success");
    gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
}

#[tokio::test]
async fn a_server_that_was_not_there_at_the_start_comes_up() {
    let starting = RawOrigin::start(async |wire: Wire| wire.reset()).await;
    let address = starting.address();
    let gateway = checked("path: /, interval: 500ms, rise: 1", address).start().await;
    gateway.client().get("/").send().await.assert_status(503);
    starting.stop().await;
    let origin = Origin::builder().otherwise("here I am").start_on(address).await;
    until_up(&gateway, &origin, true).await;
    gateway.client().get("/").send().await.assert_status(200).assert_text("here I am");
}

#[tokio::test]
async fn a_check_asks_for_what_it_is_told_to() {
    let origin = Origin::fixed("fine").await;
    let gateway = checked("path: /up?deep=1, host: health.test", origin.address()).start().await;
    let seen = &origin.requests()[0];
    assert_eq!((seen.method.as_str(), seen.uri.to_string().as_str()), ("GET", "/up?deep=1"));
    assert_eq!(seen.header("host"), Some("health.test"));
    assert!(seen.header("user-agent").unwrap().starts_with("headwall/"), "{seen:?}");
    assert_eq!(is_up(&gateway, &origin), Some(1.0));

    let origin = Origin::fixed("fine").await;
    let _gateway = checked("path: /up", origin.address()).start().await;
    let address = origin.address().to_string();
    assert_eq!(origin.requests()[0].header("host"), Some(address.as_str()), "unless it is told");
}

#[tokio::test]
async fn a_status_is_health_or_not() {
    let rows = [
        (200, "path: /health", 1.0),
        (204, "path: /health", 1.0),
        (302, "path: /health", 1.0),
        (404, "path: /health", 0.0),
        (500, "path: /health", 0.0),
        (401, "path: /health, expect: [200, 401]", 1.0),
        (204, "path: /health, expect: [200, 401]", 0.0),
    ];
    for (status, check, up) in rows {
        let origin = Origin::builder().otherwise(Fixed::status(status)).start().await;
        let gateway = checked(check, origin.address()).start().await;
        assert_eq!(is_up(&gateway, &origin), Some(up), "{status} for {{ {check} }}");
    }
}

#[tokio::test]
async fn a_tcp_check_wants_a_connection_and_no_answer() {
    let silent = RawOrigin::silent().await;
    let metric = format!(r#"headwall_upstream_server_up{{server="{}",upstream="app"}}"#, silent.address());
    let by_tcp = checked("interval: 30s", silent.address()).start().await;
    assert_eq!(by_tcp.metric(&metric), Some(1.0));
    let by_http = checked("path: /, timeout: 300ms", silent.address()).start().await;
    assert_eq!(by_http.metric(&metric), Some(0.0), "over HTTP it is late");
}

#[tokio::test]
async fn readiness_follows_health() {
    let health = Health::with(500);
    let origin = server("hello", &health).await;
    let gateway = checked("path: /health, interval: 500ms, fall: 1, rise: 1", origin.address()).start().await;
    let down = gateway.admin("/readyz").await;
    down.assert_status(503);
    assert_eq!(down.json()["upstreams"][0], serde_json::json!({ "name": "app", "available": false }));
    gateway.admin("/livez").await.assert_status(200);

    health.becomes(200);
    until_up(&gateway, &origin, true).await;
    let up = gateway.admin("/readyz").await;
    up.assert_status(200);
    assert_eq!(up.json()["status"], "ready");

    health.becomes(500);
    until_up(&gateway, &origin, false).await;
    gateway.admin("/readyz").await.assert_status(503);
}

#[tokio::test]
async fn one_upstream_of_two_being_down_is_still_ready() {
    let origin = Origin::fixed("hello").await;
    let gateway = Gateway::config(
        "
        sites:
          - routes:
              - { match: { path: /gone }, api: { upstream: gone } }
              - { api: { upstream: app } }
        upstreams:
          app: { servers: [\"${APP}\"] }
          gone: { servers: [\"${GONE}\"], health_check: {} }
        ",
    )
    .variable("APP", origin.address())
    .variable("GONE", deaf_address())
    .start()
    .await;
    gateway.admin("/readyz").await.assert_status(200);
    let client: Client = gateway.client();
    client.get("/gone").send().await.assert_status(503);
    client.get("/").send().await.assert_status(200);
}
