//! An upstream that is given up for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use futures_util::future::BoxFuture;
use headwall_testkit::{Behaviour, Gateway, Origin, Request, Response, eventually};

/// Answers with a status that the test changes.
#[derive(Clone)]
struct Status(Arc<AtomicU16>);

impl Behaviour for Status {
    fn reply(&self, _: Request) -> BoxFuture<'_, Response> {
        let status = self.0.load(Ordering::SeqCst);
        Box::pin(async move { Response::new(status) })
    }
}

fn is_open(gateway: &Gateway) -> Option<f64> {
    gateway.metric(r#"headwall_upstream_circuit_open{upstream="app"}"#)
}

#[tokio::test]
async fn an_upstream_that_fails_is_left_alone_until_probes_succeed() {
    let status = Status(Arc::new(AtomicU16::new(500)));
    let origin = Origin::builder().otherwise(status.clone()).start().await;
    let gateway = Gateway::config(
        "
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams:
          app: { servers: [\"${APP}\"], breaker: { min_requests: 4, window: 1m, open: 300ms, probes: 2 } }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let client = gateway.client();
    assert_eq!(is_open(&gateway), Some(0.0));
    for _ in 0..4 {
        client.get("/").send().await.assert_status(500);
    }
    // What a request has come to is known a moment after its client has the answer.
    eventually(10, async || (is_open(&gateway) == Some(1.0)).then_some(())).await;
    status.0.store(200, Ordering::SeqCst);
    let refused = client.get("/").send().await;
    if refused.status == 503 {
        assert!(refused.header("retry-after").is_some(), "{refused}");
    }
    eventually(20, async || {
        client.get("/").send().await;
        (is_open(&gateway) == Some(0.0)).then_some(())
    })
    .await;
    client.get("/").send().await.assert_status(200);
    let log = gateway.stop().await;
    let refused = log.iter().filter(|line| line["reason"] == "circuit_open").count();
    let served = log.iter().filter(|line| line["status"] == 200).count();
    assert_eq!(refused + served + 4, log.len(), "{log:?}");
    assert_eq!(origin.hits(), served + 4, "who is refused does not reach it");
    assert!(refused > 0, "the first request after the fourth failure comes within 300 ms: {log:?}");
}
