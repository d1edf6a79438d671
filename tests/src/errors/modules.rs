//! Modules that fail: the request ends, the server does not.

use headwall_testkit::{Failed, Gateway, Origin};

use super::assert_error;
use crate::filters::probe;
use crate::metrics::metric_is;

const WRONG: &str = "Something went wrong on this server.";

async fn start(origin: &Origin) -> Gateway {
    Gateway::config(
        r#"
        sites:
          - name: site
            filters: [{ headers: { response: { set: { x-site: here } } } }]
            routes:
              - match: { path: /request/fail }
                filters: [{ probe: { mark: p, request: fail } }]
                api: { upstream: app }
              - match: { path: /request/panic }
                name: panic
                filters: [{ probe: { mark: p, request: panic } }]
                api: { upstream: app }
              - match: { path: /response/fail }
                filters: [{ probe: { mark: p, response: fail } }]
                api: { upstream: app }
              - match: { path: /response/panic }
                name: panic too
                filters: [{ probe: { mark: p, response: panic } }]
                api: { upstream: app }
              - match: { path: /request/hang }
                name: hang
                filters: [{ probe: { mark: p, request: hang } }]
                api: { upstream: app }
              - api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .server(probe::server())
    .start()
    .await
}

#[tokio::test]
async fn a_filter_that_fails_on_a_request_ends_it_with_a_500() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    let reply = gateway.client().get("/request/fail").send().await;
    assert_error(&reply, 500, WRONG);
    reply.assert_header("x-site", "here");
    assert!(!reply.to_string().contains("secret"), "what the filter said is for the log: {reply}");
    assert_eq!(origin.hits(), 0, "a filter never fails open");
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&500.into(), &"module_error".into()));
}

#[tokio::test]
async fn a_filter_that_fails_on_a_response_turns_it_into_a_500() {
    let origin = Origin::fixed("the application's secret").await;
    let gateway = start(&origin).await;
    let reply = gateway.client().get("/response/fail").send().await;
    assert_error(&reply, 500, WRONG);
    assert_eq!(origin.hits(), 1);
    assert!(!reply.to_string().contains("secret"), "nothing of the response comes through: {reply}");
    gateway.client().get("/").send().await.assert_status(200);
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&500.into(), &"module_error".into()));
}

#[tokio::test]
async fn a_filter_that_panics_ends_its_own_request_and_nothing_else() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    for path in ["/request/panic", "/response/panic"] {
        let failed = gateway.client().get(path).try_send().await.unwrap_err();
        assert!(matches!(failed, Failed::NoReply { .. }), "the connection is closed: {failed}");
        gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
    }
    for route in ["panic", "panic too"] {
        let in_flight = format!("headwall_requests_in_flight{{route=\"{route}\",site=\"site\"}}");
        metric_is(&gateway, &in_flight, 0.0).await;
    }
    metric_is(&gateway, "headwall_connections_open", 0.0).await;
}

#[tokio::test]
async fn a_request_counts_as_in_flight_until_it_is_over() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    let in_flight = "headwall_requests_in_flight{route=\"hang\",site=\"site\"}";
    let hanging = tokio::spawn(gateway.client().get("/request/hang").try_send());
    metric_is(&gateway, in_flight, 1.0).await;
    gateway.client().get("/").send().await.assert_status(200);
    assert!(!hanging.is_finished(), "one that hangs does not hold up others, and is left alone");
    hanging.abort();
}
