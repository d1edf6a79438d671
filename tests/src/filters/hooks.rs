//! The hooks of a filter: in which order they run, what they can decide, what they get to know.

use std::net::SocketAddr;

use headwall_testkit::{Fixed, Gateway, Origin, Reply};

use super::probe;
use crate::metrics::metric_is;

fn marks(reply: &Reply) -> String {
    let marks = reply.headers.get_all("x-order").iter().map(|mark| mark.to_str().unwrap_or("?"));
    marks.collect::<Vec<_>>().join(" ")
}

/// Two probes for the site, two for the route at `/both`; everything else there is a 404.
async fn start(app: SocketAddr) -> Gateway {
    Gateway::config(
        r#"
        sites:
          - name: site
            hosts: [app.test]
            filters:
              - probe: { mark: site1 }
              - probe: { mark: site2 }
            routes:
              - match: { path: /both, methods: [GET] }
                filters:
                  - probe: { mark: route1 }
                  - probe: { mark: route2 }
                api: { upstream: app }
              - match: { path: /stop }
                filters:
                  - probe: { mark: before }
                  - probe: { mark: here, request: refuse }
                  - probe: { mark: after }
                api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", app)
    .server(probe::server())
    .start()
    .await
}

#[tokio::test]
async fn requests_pass_in_the_order_written_and_responses_in_reverse() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(origin.address()).await;
    let reply = gateway.client().get("/both").host("app.test").send().await;
    reply.assert_status(200).assert_text("hello");
    assert_eq!(origin.requests()[0].header_values("x-order"), ["site1", "site2", "route1", "route2"]);
    assert_eq!(marks(&reply), "route2 route1 site2 site1");
}

#[tokio::test]
async fn a_sites_filters_see_what_no_route_of_it_takes() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(origin.address()).await;
    let client = gateway.client().host("app.test");
    let missed = client.get("/nowhere").send().await;
    missed.assert_status(404);
    assert_eq!(marks(&missed), "site2 site1", "a 404");
    let refused = client.post("/both", "").send().await;
    refused.assert_status(405);
    assert_eq!(marks(&refused), "site2 site1", "a 405");
    let elsewhere = gateway.client().get("/both").host("other.test").send().await;
    elsewhere.assert_status(404);
    assert_eq!(marks(&elsewhere), "", "another host is none of this site's business");
}

#[tokio::test]
async fn a_reply_ends_the_request_and_passes_every_response_filter() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(origin.address()).await;
    let reply = gateway.client().get("/stop").host("app.test").send().await;
    reply.assert_status(403).assert_header("content-type", "application/json");
    assert_eq!(reply.json()["error"], "The probe says no.");
    assert_eq!(marks(&reply), "after here before site2 site1");
    assert_eq!(origin.hits(), 0, "nothing behind the filter has heard of it");
    let log = gateway.stop().await;
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&403.into(), &"probe_refused".into()));
    assert!(log[0].get("upstream").is_none(), "no upstream was asked: {}", log[0]);
}

#[tokio::test]
async fn a_response_filter_learns_whether_the_answer_is_the_apps_own() {
    let origin = Origin::builder().route("/both", Fixed::status(403)).start().await;
    let gateway = start(origin.address()).await;
    let client = gateway.client().host("app.test");
    client.get("/both").send().await.assert_status(403).assert_no_header("x-reason");
    client.get("/stop").send().await.assert_status(403).assert_header("x-reason", "probe_refused");
    client.get("/nowhere").send().await.assert_status(404).assert_header("x-reason", "no_route");
    origin.stop().await;
    let lost = client.get("/both").send().await;
    lost.assert_status(502).assert_header("x-reason", "upstream_connect_refused");
}

#[tokio::test]
async fn the_log_hook_learns_how_a_request_ended() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(origin.address()).await;
    let client = gateway.client().host("app.test");
    client.get("/both").send().await;
    client.get("/stop").send().await;
    client.get("/nowhere").send().await;
    for (mark, reason, status, times) in [
        ("route1", "", "200", 1.0),
        ("before", "probe_refused", "403", 1.0),
        ("after", "probe_refused", "403", 1.0),
        ("site1", "", "200", 1.0),
        ("site1", "probe_refused", "403", 1.0),
        ("site1", "no_route", "404", 1.0),
    ] {
        let series = format!("probe_ended_total{{mark=\"{mark}\",reason=\"{reason}\",status=\"{status}\"}}");
        metric_is(&gateway, &series, times).await;
    }
}
