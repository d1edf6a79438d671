//! What Prometheus is told: numbers of what happened, under labels that no client can choose.

use std::collections::BTreeSet;

use headwall_testkit::{Client, Fixed, Gateway, Origin, RawOrigin, Wire, eventually};
use http::Method;

use crate::forwarding::in_front_of;

/// Waits until a metric has come to this value. Numbers are added when a request is over, which may be a moment after its
/// client has the last byte.
///
/// # Panics
///
/// When it does not within 5 seconds, with the place in the test.
#[track_caller]
pub(crate) fn metric_is<'a>(
    gateway: &'a Gateway,
    name: &'a str,
    value: f64,
) -> impl Future<Output = ()> + 'a {
    eventually(5, async move || (gateway.metric(name) == Some(value)).then_some(()))
}

/// A site with one route to the origin and one that answers by itself.
async fn start(origin: &Origin) -> Gateway {
    Gateway::config(
        r#"
        sites:
          - name: shop
            hosts: [shop.test]
            routes:
              - name: login
                match: { path: /login, methods: [POST] }
                filters: [{ rate_limit: { rate: 1r/m } }]
                respond: { body: welcome }
              - name: rest
                match: { path_prefix: /app }
                api: { upstream: backend }
        upstreams: { backend: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await
}

/// The names and labels of all series, without their values.
async fn series(gateway: &Gateway) -> BTreeSet<String> {
    let text = gateway.admin("/metrics").await.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

#[tokio::test]
async fn requests_are_counted_by_site_route_method_and_class() {
    let origin = Origin::builder()
        .route("/app/ok", "hello")
        .route("/app/moved", Fixed::status(302))
        .route("/app/broken", Fixed::status(500))
        .start()
        .await;
    let gateway = start(&origin).await;
    let client = Client::connect(gateway.address()).await.host("shop.test");
    for (method, path) in [
        ("GET", "/app/ok"),
        ("GET", "/app/ok"),
        ("HEAD", "/app/ok"),
        ("PUT", "/app/ok"),
        ("GET", "/app/moved"),
        ("GET", "/app/unknown"),
        ("GET", "/app/broken"),
        ("PROPFIND", "/app/ok"),
        ("GETS", "/app/ok"),
        ("POST", "/login"),
        ("GET", "/nowhere"),
        ("GET", "/login"),
    ] {
        client.request(method.parse().unwrap(), path).send().await;
    }
    client.get("/").host("elsewhere.test").send().await.assert_status(404);
    let rows = [
        ("GET", "rest", "shop", "2xx", 2.0),
        ("HEAD", "rest", "shop", "2xx", 1.0),
        ("PUT", "rest", "shop", "2xx", 1.0),
        ("GET", "rest", "shop", "3xx", 1.0),
        ("GET", "rest", "shop", "4xx", 1.0),
        ("GET", "rest", "shop", "5xx", 1.0),
        ("_OTHER", "rest", "shop", "2xx", 2.0),
        ("POST", "login", "shop", "2xx", 1.0),
        ("GET", "_unmatched", "shop", "4xx", 2.0),
        ("GET", "_unmatched", "_none", "4xx", 1.0),
    ];
    for (method, route, site, status, times) in rows {
        let name = format!(
            "headwall_requests_total{{method=\"{method}\",route=\"{route}\",site=\"{site}\",status=\"{status}\"}}"
        );
        metric_is(&gateway, &name, times).await;
    }
    let counted =
        series(&gateway).await.into_iter().filter(|name| name.starts_with("headwall_requests_total")).count();
    assert_eq!(counted, rows.len(), "and nothing else");
}

#[tokio::test]
async fn durations_and_bytes_are_counted_for_each_route() {
    let origin = Origin::builder().otherwise("hello").start().await;
    let gateway = start(&origin).await;
    let client = gateway.client().host("shop.test");
    client.post("/app", "question").send().await.assert_status(200);
    client.get("/app").send().await.assert_status(200);
    let rest = "route=\"rest\",site=\"shop\"";
    for (name, value) in [
        (format!("headwall_request_duration_seconds_count{{{rest}}}"), 2.0),
        (format!("headwall_request_duration_seconds_bucket{{{rest},le=\"+Inf\"}}"), 2.0),
        (format!("headwall_request_duration_seconds_bucket{{{rest},le=\"60\"}}"), 2.0),
        (format!("headwall_response_first_byte_seconds_count{{{rest}}}"), 2.0),
        ("headwall_upstream_first_byte_seconds_count{upstream=\"backend\"}".to_owned(), 2.0),
        (format!("headwall_body_bytes_total{{direction=\"received\",{rest}}}"), 8.0),
        (format!("headwall_body_bytes_total{{direction=\"sent\",{rest}}}"), 10.0),
        (format!("headwall_requests_in_flight{{{rest}}}"), 0.0),
    ] {
        metric_is(&gateway, &name, value).await;
    }
    let sum = gateway.metric(&format!("headwall_request_duration_seconds_sum{{{rest}}}")).unwrap();
    assert!(sum > 0.0 && sum < 10.0, "seconds: {sum}");
}

#[tokio::test]
async fn answers_of_headwalls_own_are_counted_by_reason() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    let client = gateway.client().host("shop.test");
    client.post("/login", "").send().await.assert_status(200);
    client.post("/login", "").send().await.assert_status(429);
    client.get("/login").send().await.assert_status(405);
    client.get("/nowhere").send().await.assert_status(404);
    client.get("/").host("elsewhere.test").send().await.assert_status(404);
    origin.stop().await;
    client.get("/app").send().await.assert_status(502);
    for (reason, route, site) in [
        ("rate_limited", "login", "shop"),
        ("method_not_allowed", "_unmatched", "shop"),
        ("no_route", "_unmatched", "shop"),
        ("no_site", "_unmatched", "_none"),
        ("upstream_connect_refused", "rest", "shop"),
    ] {
        let name =
            format!("headwall_local_replies_total{{reason=\"{reason}\",route=\"{route}\",site=\"{site}\"}}");
        metric_is(&gateway, &name, 1.0).await;
    }
    let login = "decision=\"rejected\",place=\"shop/login\"";
    metric_is(&gateway, &format!("headwall_rate_limit_decisions_total{{{login}}}"), 1.0).await;
}

#[tokio::test]
async fn attempts_are_counted_by_how_they_ended() {
    let origin = Origin::builder().route("/app/broken", Fixed::status(503)).otherwise("hello").start().await;
    let gateway = start(&origin).await;
    let client = gateway.client().host("shop.test");
    for (path, status) in [("/app", 200), ("/app/broken", 503), ("/app", 200)] {
        client.get(path).send().await.assert_status(status);
    }
    let attempts =
        |outcome| format!("headwall_upstream_requests_total{{outcome=\"{outcome}\",upstream=\"backend\"}}");
    metric_is(&gateway, &attempts("ok"), 2.0).await;
    metric_is(&gateway, &attempts("server_error"), 1.0).await;
    assert_eq!(gateway.metric(&attempts("failed")), Some(0.0));
    origin.stop().await;
    client.post("/app", "").send().await.assert_status(502);
    eventually(5, async || (gateway.metric(&attempts("failed"))? > 0.0).then_some(())).await;
}

/// Whose fault it was decides who is woken at night.
#[tokio::test]
async fn a_client_that_leaves_does_not_count_against_the_upstream() {
    let origin = RawOrigin::silent().await;
    let gateway = in_front_of(origin.address()).await;
    let asking = tokio::spawn(gateway.client().get("/").try_send());
    origin.reached(1).await;
    asking.abort();
    metric_is(&gateway, "headwall_upstream_requests_total{outcome=\"abandoned\",upstream=\"app\"}", 1.0)
        .await;
    assert_eq!(
        gateway.metric("headwall_upstream_requests_total{outcome=\"failed\",upstream=\"app\"}"),
        Some(0.0)
    );
}

#[tokio::test]
async fn connections_are_counted() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    assert_eq!(gateway.metric("headwall_connections_accepted_total"), Some(0.0));
    let (one, two) = (Client::connect(gateway.address()).await, Client::connect(gateway.address()).await);
    for client in [&one, &two, &one] {
        client.get("/").send().await;
    }
    assert_eq!(gateway.metric("headwall_connections_accepted_total"), Some(2.0));
    assert_eq!(gateway.metric("headwall_connections_open"), Some(2.0));
    drop(one);
    metric_is(&gateway, "headwall_connections_open", 1.0).await;
    gateway.admin("/metrics").await.assert_status(200);
    assert_eq!(gateway.metric("headwall_connections_accepted_total"), Some(2.0), "an operator is no client");
}

#[tokio::test]
async fn the_page_is_in_prometheus_format() {
    let origin = Origin::fixed("hello").await;
    let gateway = start(&origin).await;
    gateway.client().get("/app").host("shop.test").send().await;
    let page = gateway.admin("/metrics").await;
    page.assert_status(200).assert_header("content-type", "text/plain; version=0.0.4; charset=utf-8");
    let text = page.text();
    let version = env!("CARGO_PKG_VERSION");
    assert!(text.contains(&format!("headwall_build_info{{version=\"{version}\"}} 1\n")), "{text}");
    for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"] {
        assert!(text.contains(&format!("\n{name} ")), "{name} in\n{text}");
    }
    let families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let names: BTreeSet<_> = families.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(families.len(), names.len(), "each family stands once");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

/// A scraper's memory, and the server's own, must not be in the hands of whoever sends odd requests.
#[tokio::test]
async fn nothing_that_a_client_sends_becomes_a_label() {
    let origin = Origin::builder().otherwise("hello").start().await;
    let gateway = start(&origin).await;
    let client = gateway.client().host("shop.test");
    // Every cell that honest traffic fills is there before.
    for (method, path) in [("GET", "/app"), ("GET", "/nowhere"), ("BREW", "/app"), ("BREW", "/nowhere")] {
        client.request(method.parse().unwrap(), path).send().await;
    }
    client.get("/").host("elsewhere.test").send().await;
    client.request(Method::from_bytes(b"BREW").unwrap(), "/").host("elsewhere.test").send().await;
    client.post("/login", "").send().await.assert_status(200);
    client.post("/login", "").send().await.assert_status(429);
    metric_is(
        &gateway,
        "headwall_local_replies_total{reason=\"rate_limited\",route=\"login\",site=\"shop\"}",
        1.0,
    )
    .await;
    let before = series(&gateway).await;

    for n in 0..50 {
        let method: Method = format!("ODD{n}").parse().unwrap();
        client
            .request(method.clone(), &format!("/app/{n}?q={n}"))
            .header("user-agent", &n.to_string())
            .send()
            .await;
        client
            .request(method, &format!("/{n}"))
            .host(&format!("host{n}.test"))
            .send()
            .await
            .assert_status(404);
        client.get(&format!("/nowhere/{n}")).send().await.assert_status(404);
        client
            .post("/login", "")
            .header("x-forwarded-for", &format!("192.0.2.{n}"))
            .send()
            .await
            .assert_status(429);
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(format!("GET /%{n} HTTP/1.1\r\nHost: {n}..test\r\nConnection: close\r\n\r\n")).await;
        wire.read_to_end().await;
    }
    metric_is(
        &gateway,
        "headwall_local_replies_total{reason=\"rate_limited\",route=\"login\",site=\"shop\"}",
        51.0,
    )
    .await;
    assert_eq!(series(&gateway).await.difference(&before).collect::<Vec<_>>(), [""; 0]);
}
