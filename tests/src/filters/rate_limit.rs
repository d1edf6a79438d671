//! `rate_limit`: nginx's accounting, told to clients in the words of HTTP.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use headwall_testkit::{Client, Gateway, Origin};

use crate::metrics::metric_is;

/// One site with one limit.
async fn limited(settings: &str) -> Gateway {
    Gateway::config(&format!(
        "
        client: {{ trusted_proxies: [127.0.0.1] }}
        sites:
          - name: app
            routes:
              - name: login
                filters: [{{ rate_limit: {settings} }}]
                respond: {{ body: welcome }}
        "
    ))
    .start()
    .await
}

/// The statuses of so many requests in a row.
async fn statuses(times: usize, call: impl Fn() -> headwall_testkit::Call) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(call().send().await.status.as_u16());
    }
    statuses
}

fn decisions(decision: &str) -> String {
    format!("headwall_rate_limit_decisions_total{{decision=\"{decision}\",place=\"app/login\"}}")
}

#[tokio::test]
async fn the_fourth_login_in_a_minute_is_refused() {
    let gateway = limited("{ rate: 5r/m, burst: 2 }").await;
    let client = gateway.client();
    assert_eq!(statuses(3, || client.post("/", "")).await, [200; 3]);
    let refused = client.post("/", "").send().await;
    refused.assert_status(429);
    assert_eq!(refused.json()["error"], "Too many requests. Please try again later.");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    // nginx counts in thousandths of a request: 5r/m is 0.083 a second, one in 12.05 seconds, and that is rounded up.
    assert!((10..=13).contains(&wait), "5 a minute is one in 12 seconds: {wait}");
    metric_is(&gateway, &decisions("passed"), 3.0).await;
    metric_is(&gateway, &decisions("rejected"), 1.0).await;
    let log = gateway.stop().await;
    assert_eq!((&log[3]["status"], &log[3]["reason"]), (&429.into(), &"rate_limited".into()));
}

#[tokio::test]
async fn a_refused_request_does_not_reach_the_origin() {
    let origin = Origin::fixed("hello").await;
    let gateway = Gateway::config(
        r#"
        sites: [{ routes: [{ filters: [{ rate_limit: { rate: 1r/m } }], api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    assert_eq!(statuses(5, || gateway.client().get("/")).await, [200, 429, 429, 429, 429]);
    assert_eq!(origin.hits(), 1);
}

#[tokio::test]
async fn each_value_of_a_header_is_counted_by_itself() {
    let gateway = limited("{ rate: 1r/m, key: { header: X-Api-Key } }").await;
    let client = gateway.client();
    assert_eq!(statuses(2, || client.get("/").header("x-api-key", "a")).await, [200, 429], "one key");
    assert_eq!(statuses(2, || client.get("/").header("x-api-key", "b")).await, [200, 429], "another key");
    assert_eq!(statuses(3, || client.get("/")).await, [200; 3], "without a key nothing is counted");
    assert_eq!(
        statuses(3, || client.get("/").header("x-api-key", "")).await,
        [200; 3],
        "an empty key is none"
    );
}

#[tokio::test]
async fn each_client_is_counted_by_itself() {
    let gateway = limited("{ rate: 1r/m }").await;
    let from = |last| Client::to(gateway.address()).from_ip(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
    let (one, two) = (from(2), from(3));
    assert_eq!(statuses(2, || one.get("/")).await, [200, 429]);
    assert_eq!(statuses(2, || two.get("/")).await, [200, 429]);
    // 127.0.0.1 alone is a trusted proxy, so a header does not make another client of 127.0.0.2.
    assert_eq!(statuses(1, || one.get("/").header("x-forwarded-for", "192.0.2.77")).await, [429]);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_who_it_speaks_for() {
    let gateway = limited("{ rate: 1r/m }").await;
    let client = gateway.client();
    let rows = [
        ("192.0.2.1", 200, "a client"),
        ("192.0.2.1", 429, "the same client"),
        ("6.6.6.6, 192.0.2.1", 429, "who invents a hop in front of itself"),
        ("192.0.2.2", 200, "another client"),
        ("2001:db8::1", 200, "an IPv6 client"),
        ("2001:db8::ffff:1", 429, "the same /64"),
        ("2001:db8:0:1::1", 200, "another /64"),
    ];
    for (hops, status, row) in rows {
        assert_eq!(
            statuses(1, || client.get("/").header("x-forwarded-for", hops)).await,
            [status],
            "{row}: {hops}"
        );
    }
}

#[tokio::test]
async fn early_requests_wait_for_their_turn_where_delay_says_so() {
    let gateway = limited("{ rate: 10r/s, burst: 5, delay: 0 }").await;
    let client = Client::connect(gateway.address()).await;
    let start = Instant::now();
    assert_eq!(statuses(3, || client.get("/")).await, [200; 3]);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(190), "the second and third wait 100 ms each: {took:?}");
    assert_eq!(gateway.metric(&decisions("delayed")), Some(2.0));
}

#[tokio::test]
async fn a_dry_run_counts_and_lets_everything_pass() {
    let gateway = limited("{ rate: 1r/m, dry_run: true }").await;
    assert_eq!(statuses(4, || gateway.client().get("/")).await, [200; 4]);
    metric_is(&gateway, &decisions("passed_dry_run"), 1.0).await;
    metric_is(&gateway, &decisions("rejected_dry_run"), 3.0).await;
}

#[tokio::test]
async fn routes_have_limits_of_their_own_and_a_sites_limit_is_shared() {
    let gateway = Gateway::start(
        "
        sites:
          - name: app
            filters: [{ rate_limit: { rate: 1r/m, burst: 3 } }]
            routes:
              - match: { path: /a }
                filters: [{ rate_limit: { rate: 1r/m } }]
                respond: { body: a }
              - match: { path: /b }
                filters: [{ rate_limit: { rate: 1r/m } }]
                respond: { body: b }
              - respond: { body: rest }
        ",
    )
    .await;
    let client = gateway.client();
    assert_eq!(statuses(1, || client.get("/a")).await, [200], "the first of the site");
    assert_eq!(statuses(1, || client.get("/a")).await, [429], "the second of a");
    assert_eq!(statuses(1, || client.get("/b")).await, [200], "b has a limit of its own");
    assert_eq!(statuses(1, || client.get("/c")).await, [200], "the fourth of the site");
    assert_eq!(statuses(1, || client.get("/c")).await, [429], "the fifth of the site");
}
