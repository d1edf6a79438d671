//! Which requests are sent a further time, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use headwall_testkit::{Fixed, Gate, Gateway, Origin, RawOrigin, Wire};

use super::{gateway, last_line};
use crate::metrics::metric_is;

/// A server that answers so many requests with 503, and then with 200.
async fn failing(times: usize) -> RawOrigin {
    let asked = Arc::new(AtomicUsize::new(0));
    RawOrigin::start(move |mut wire: Wire| {
        let asked = asked.clone();
        async move {
            let head = wire.read_head().await;
            if head.to_ascii_lowercase().contains("content-length: 4") {
                wire.read_exactly(4).await;
            }
            let is_failure = asked.fetch_add(1, Ordering::Relaxed) < times;
            let status = if is_failure { "503 Service Unavailable" } else { "200 OK" };
            wire.write(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nme"))
                .await;
            wire.read_to_end().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_status_that_was_named_is_tried_again_where_the_request_may_be_repeated() {
    const NAMED: &str = ", retry: { on_status: [503], attempts: 3 }";
    let rows = [
        (NAMED, 2, "GET", "", None, 200, 3, "the third attempt is answered"),
        (NAMED, 3, "GET", "", None, 503, 3, "the last answer is passed on"),
        (NAMED, 1, "PUT", "body", None, 200, 2, "its body is sent again"),
        (NAMED, 1, "POST", "body", None, 503, 1, "a POST may have had an effect"),
        (NAMED, 1, "POST", "body", Some("7"), 200, 2, "its client says that it may be repeated"),
        (
            ", retry: { on_status: [503], non_idempotent: true }",
            1,
            "POST",
            "body",
            None,
            200,
            2,
            "the operator says so",
        ),
        (", retry: { on_status: [502] }", 1, "GET", "", None, 503, 1, "another status was named"),
        ("", 1, "GET", "", None, 503, 1, "none was named"),
    ];
    for (settings, failures, method, body, key, status, attempts, row) in rows {
        let origin = failing(failures).await;
        let gateway = gateway(origin.address(), settings, "").await;
        let mut call = gateway.client().request(method.parse().unwrap(), "/");
        if !body.is_empty() {
            call = call.body(body);
        }
        if let Some(key) = key {
            call = call.header("idempotency-key", key);
        }
        let reply = call.send().await;
        reply.assert_text("me").assert_no_header("x-headwall-attempts");
        assert_eq!(reply.status, status, "{row}");
        assert_eq!(origin.connections(), attempts, "{row}");
        let line = last_line(gateway).await;
        assert_eq!(
            (&line["attempts"], &line["reason"]),
            (&attempts.into(), &serde_json::Value::Null),
            "{row}"
        );
    }
}

#[tokio::test]
async fn a_body_larger_than_the_replay_buffer_is_not_sent_again() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.read_exactly(100_000).await;
        wire.write("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        wire.read_to_end().await;
    })
    .await;
    let gateway = gateway(origin.address(), ", retry: { on_status: [503] }", "").await;
    let call = gateway.client().request("PUT".parse().unwrap(), "/").filled(100_000);
    call.send().await.assert_status(503);
    assert_eq!(last_line(gateway).await["attempts"], 1);
}

/// A server that fails under its load must not get twice the load.
#[tokio::test]
async fn a_failing_server_gets_a_fifth_more_and_not_double() {
    let gate = Gate::closed();
    let origin = Origin::builder().otherwise(gate.then(Fixed::status(503))).start().await;
    let gateway = gateway(origin.address(), ", retry: { on_status: [503] }", "").await;
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(gateway.client().get("/").send())).collect();
    gate.reached(100).await;
    gate.open();
    for reply in join_all(calls).await {
        reply.unwrap().assert_status(503);
    }
    let made = gateway.metric("headwall_upstream_retries_total{result=\"made\",upstream=\"app\"}").unwrap();
    // Three at once are free, so a few more than a fifth may have been under way.
    assert!((20.0..60.0).contains(&made), "{made} were repeated");
    metric_is(&gateway, "headwall_upstream_retries_total{result=\"refused\",upstream=\"app\"}", 100.0 - made)
        .await;
    assert_eq!(origin.hits(), 100 + made as usize);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_followed_by_one_at_another_server() {
    let (silent, origin) = (RawOrigin::silent().await, Origin::fixed("hello").await);
    for (listener, http2) in [("127.0.0.1:0", false), ("127.0.0.1:0", true)] {
        let yaml = format!(
            "
            listeners: [{{ address: \"{listener}\", http2: {http2} }}]
            sites: [{{ routes: [{{ api: {{ upstream: app, retry: {{ per_try_timeout: 200ms }} }} }}] }}]
            upstreams: {{ app: {{ servers: [\"{}\", \"{}\"] }} }}
            ",
            silent.address(),
            origin.address(),
        );
        let gateway = Gateway::start(&yaml).await;
        let client = || if http2 { gateway.client().http2() } else { gateway.client() };
        for _ in 0..2 {
            client().get("/").send().await.assert_status(200).assert_text("hello");
        }
        let reply = client().post("/", "once").send().await;
        assert!([200, 504].contains(&reply.status.as_u16()), "a POST is not repeated: {reply}");
        let log = gateway.stop().await;
        assert!(log.iter().any(|line| line["attempts"] == 2 && line["status"] == 200), "{log:?}");
        assert!(log.iter().all(|line| line["method"] != "POST" || line["attempts"] == 1), "{log:?}");
    }
}
