//! What is counted, who is exempt, and what a refused client is told.

use std::time::{Duration, Instant};

use headwall_testkit::{Client, Filler, Gateway, Origin};

use super::{behind, decided, one_route, statuses};

#[tokio::test]
async fn whatever_a_key_names_is_counted_by_itself() {
    let rows: [(&str, [&str; 2], [&str; 2]); 6] = [
        ("{ header: X-Api-Key }", ["/", "x-api-key: a"], ["/", "x-api-key: b"]),
        ("{ cookie: sid }", ["/", "cookie: x=1; sid=a"], ["/", "cookie: x=1; sid=b"]),
        ("{ query: token }", ["/?x=1&token=a", ""], ["/?x=1&token=b", ""]),
        ("{ path_segment: 2 }", ["/users/ada", ""], ["/users/bob", ""]),
        ("[address, { query: q }]", ["/?q=1", ""], ["/?q=1", "x-forwarded-for: 192.0.2.9"]),
        ("[address, { query: q }]", ["/?q=1", ""], ["/?q=2", ""]),
    ];
    for (key, one, other) in rows {
        let gateway = behind(&format!("[{{ rate_limit: {{ rate: 1r/m, key: {key} }} }}]")).await;
        let client = gateway.client();
        let call = |[path, header]: [&str; 2]| match header.split_once(": ") {
            Some((name, value)) => client.get(path).header(name, value),
            None => client.get(path),
        };
        assert_eq!(statuses(2, || call(one)).await, [200, 429], "{key}: {one:?}");
        assert_eq!(statuses(2, || call(other)).await, [200, 429], "{key}: {other:?}");
    }
}

#[tokio::test]
async fn a_request_without_all_that_is_counted_by_is_not_counted() {
    for (key, path) in [
        ("{ header: X-Api-Key }", "/"),
        ("{ cookie: sid }", "/"),
        ("{ query: token }", "/?token="),
        ("{ path_segment: 3 }", "/users/ada"),
        ("[address, { header: X-Api-Key }]", "/"),
    ] {
        let gateway = behind(&format!("[{{ rate_limit: {{ rate: 1r/m, key: {key} }} }}]")).await;
        assert_eq!(statuses(4, || gateway.client().get(path)).await, [200; 4], "{key}");
        assert_eq!(decided(&gateway, "passed"), 0.0, "{key}");
    }
}

#[tokio::test]
async fn with_key_route_everybody_counts_as_one() {
    let gateway = behind("[{ rate_limit: { rate: 1r/m, burst: 1, key: route } }]").await;
    let from = |address: &'static str| gateway.client().get("/").header("x-forwarded-for", address);
    assert_eq!(statuses(2, || from("192.0.2.1")).await, [200; 2]);
    assert_eq!(statuses(1, || from("192.0.2.2")).await, [429]);
}

#[tokio::test]
async fn who_is_exempt_is_neither_counted_nor_refused() {
    let exempt = "{ networks: [10.0.0.0/8, 2001:db8::1], paths: [/health, /static/*] }";
    let gateway = behind(&format!("[{{ rate_limit: {{ rate: 1r/m, exempt: {exempt} }} }}]")).await;
    let client = gateway.client();
    let from =
        |path: &'static str, address: &'static str| client.get(path).header("x-forwarded-for", address);
    for (path, address) in [
        ("/", "10.1.2.3"),
        ("/", "2001:db8::1"),
        ("/health", "192.0.2.1"),
        ("/static/a.js", "192.0.2.1"),
        // What is matched is the normalised path.
        ("/static/../health", "192.0.2.1"),
    ] {
        assert_eq!(statuses(3, || from(path, address)).await, [200; 3], "{path} from {address}");
    }
    for (path, address) in
        [("/", "192.0.2.1"), ("/static/../x", "192.0.2.2"), ("/healthy", "2001:db8::2:0:0:1")]
    {
        assert_eq!(statuses(2, || from(path, address)).await, [200, 429], "{path} from {address}");
    }
    assert_eq!(decided(&gateway, "passed"), 3.0);
    // Who only says that it is exempt is not: 192.0.2.3 is no trusted proxy.
    let spoof = || client.get("/").header("x-forwarded-for", "10.9.9.9, 192.0.2.3");
    assert_eq!(statuses(2, spoof).await, [200, 429]);
}

#[tokio::test]
async fn a_refusal_tells_the_limit_and_when_to_come_back() {
    let gateway = behind("[{ rate_limit: { rate: 5r/m, burst: 2, zone: logins } }]").await;
    let client = gateway.client();
    let passed = client.get("/").send().await;
    assert_eq!((passed.header("ratelimit"), passed.header("ratelimit-policy")), (None, None));
    statuses(2, || client.get("/")).await;
    let refused = client.get("/").send().await;
    refused.assert_status(429);
    assert_eq!(refused.header("ratelimit-policy"), Some("\"logins\";q=3;w=37"));
    let wait = refused.header("retry-after").unwrap();
    assert_eq!(refused.header("ratelimit"), Some(format!("\"logins\";r=0;t={wait}").as_str()));
}

#[tokio::test]
async fn with_headers_every_answer_tells_what_is_left() {
    let gateway = behind(
        "[{ rate_limit: { rate: 5r/m, burst: 2, zone: logins, headers: true } },
          { rate_limit: { rate: 100 per 1m, key: route, headers: true } }]",
    )
    .await;
    let reply = gateway.client().get("/").send().await;
    let all = |name: &str| -> Vec<_> {
        reply.headers.get_all(name).into_iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(all("ratelimit-policy"), ["\"logins\";q=3;w=37", "\"default\";q=100;w=61"]);
    assert_eq!(all("ratelimit"), ["\"logins\";r=2;t=13", "\"default\";r=99;t=1"]);
}

#[tokio::test]
async fn status_and_message_are_the_configs() {
    let gateway = behind("[{ rate_limit: { rate: 1r/m, status: 503, message: Come back tomorrow. } }]").await;
    assert_eq!(statuses(2, || gateway.client().get("/")).await, [200, 503]);
    let refused = gateway.client().get("/").send().await;
    assert_eq!(refused.json()["error"], "Come back tomorrow.");
    assert!(refused.header("retry-after").is_some());
    let log = gateway.stop().await;
    assert_eq!((&log[2]["status"], &log[2]["reason"]), (&503.into(), &"rate_limited".into()));
}

#[tokio::test]
async fn delay_all_has_every_early_request_wait() {
    for delay in ["all", "0"] {
        let gateway =
            behind(&format!("[{{ rate_limit: {{ rate: 10r/s, burst: 5, delay: {delay} }} }}]")).await;
        let client = Client::connect(gateway.address()).await;
        let start = Instant::now();
        assert_eq!(statuses(3, || client.get("/")).await, [200; 3]);
        assert!(start.elapsed() >= Duration::from_millis(190), "{delay}: two wait 100 ms each");
        assert_eq!(decided(&gateway, "delayed"), 2.0, "{delay}");
    }
}

#[tokio::test]
async fn a_long_answer_that_had_to_wait_is_whole() {
    let origin = Origin::builder().otherwise(Filler(2_000_000)).start().await;
    let gateway = Gateway::config(
        "
        sites:
          - routes:
              - filters: [{ rate_limit: { rate: 10r/s, burst: 5, delay: all } }]
                api: { upstream: app }
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    for _ in 0..3 {
        let reply = gateway.client().get("/").send().await;
        assert_eq!(reply.body.len(), 2_000_000, "as nginx's own test has it");
    }
}

#[tokio::test]
async fn a_sketch_limits_and_says_what_it_cannot() {
    let gateway = behind("[{ rate_limit: { rate: 3r/m, burst: 1, store: sketch } }]").await;
    let from = |address: &'static str| gateway.client().get("/").header("x-forwarded-for", address);
    assert_eq!(statuses(5, || from("192.0.2.1")).await, [200, 200, 200, 200, 429], "three a minute and one");
    assert_eq!(statuses(1, || from("192.0.2.2")).await, [200]);
    let yaml = one_route("[{ rate_limit: { rate: 3r/m, delay: all, store: sketch } }]");
    let error = Gateway::config(&yaml).try_start().await.unwrap_err();
    assert!(error.contains("a sketch cannot tell when a request's turn comes"), "{error}");
}

#[tokio::test]
async fn a_full_table_says_that_it_forgets() {
    let gateway =
        behind("[{ rate_limit: { rate: 1r/m, max_keys: 2, key: { query: q }, zone: small } }]").await;
    for n in 0..5 {
        gateway.client().get(&format!("/?q={n}")).send().await.assert_status(200);
    }
    assert_eq!(gateway.metric("headwall_rate_limit_keys{zone=\"small\"}"), Some(2.0));
    assert_eq!(gateway.metric("headwall_rate_limit_evictions_total{zone=\"small\"}"), Some(3.0));
}

#[tokio::test]
async fn what_was_written_before_is_still_understood() {
    let gateway =
        behind("[{ rate_limit: { rate: 1r/m, key: client_address, capacity: 10, delay: 0, burst: 0 } }]")
            .await;
    assert_eq!(statuses(2, || gateway.client().get("/")).await, [200, 429]);
}
