//! What is asked in a client's stead goes by the rules of what a client asks itself: when it is sent a further time, for how
//! long it is waited for, which connections it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{join_all, pending};
use headwall_testkit::{Failed, Feeds, Fixed, Gate, Gateway, Origin, OriginBuilder, Response, Seen};

/// A gateway with a cache on a route of these settings.
async fn caching(origin: &Origin, route: &str, upstream: &str) -> Gateway {
    let config = format!(
        "
        sites: [{{ routes: [{{ filters: [{{ cache: {{ ttl: 1m }} }}], api: {{ upstream: app{route} }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{}\"]{upstream} }} }}
        ",
        origin.address()
    );
    Gateway::start(&config).await
}

/// Fails so many requests in its own way, and answers the others.
fn failing<F>(times: usize, fail: impl Fn() -> F + Send + Sync + 'static) -> OriginBuilder
where
    F: Future<Output = Response> + Send + 'static,
{
    let asked = Arc::new(AtomicUsize::new(0));
    Origin::builder().otherwise(move |_: Seen| {
        let failure = (asked.fetch_add(1, Ordering::SeqCst) < times).then(&fail);
        async move {
            match failure {
                Some(failure) => failure.await,
                None => Response::text("at last"),
            }
        }
    })
}

#[tokio::test]
async fn a_status_that_was_named_is_asked_about_again() {
    const NAMED: &str = ", retry: { on_status: [503], attempts: 3 }";
    let rows = [
        (NAMED, 2, 200, 3, "the third attempt is answered"),
        (NAMED, 3, 503, 3, "the last answer is passed on"),
        (", retry: { on_status: [502] }", 1, 503, 1, "another status was named"),
        ("", 1, 503, 1, "none was named"),
    ];
    for (route, failures, status, attempts, row) in rows {
        let origin = failing(failures, || async { Response::new(503) }).start().await;
        let gateway = caching(&origin, route, "").await;
        let reply = gateway.client().get("/").send().await;
        assert_eq!((reply.status.as_u16(), origin.hits()), (status, attempts), "{row}");
        let retries = gateway.metric("headwall_upstream_retries_total{result=\"made\",upstream=\"app\"}");
        let further = u32::try_from(attempts - 1).unwrap();
        assert_eq!(retries.unwrap_or_default(), f64::from(further), "{row}: they are counted");
        let log = gateway.stop().await;
        assert_eq!(log[0]["attempts"], attempts, "{row}");
    }
}

#[tokio::test]
async fn the_budget_of_the_upstream_is_asked() {
    let gate = Gate::closed();
    let origin = Origin::builder().otherwise(gate.then(Fixed::status(503))).start().await;
    let gateway = caching(&origin, ", retry: { on_status: [503], budget: 0 }", "").await;
    let client = gateway.client();
    let asking = (0..5).map(|number| client.get(&format!("/{number}")).send());
    let asking = tokio::spawn(join_all(asking.collect::<Vec<_>>()));
    origin.reached(5).await;
    gate.open();
    asking.await.unwrap();
    // Three at once are allowed, one after the other as many as come.
    let refused = gateway.metric("headwall_upstream_retries_total{result=\"refused\",upstream=\"app\"}");
    let made = gateway.metric("headwall_upstream_retries_total{result=\"made\",upstream=\"app\"}");
    assert_eq!(made.unwrap_or_default() + refused.unwrap_or_default(), 5.0, "each has asked the budget");
    assert_eq!(origin.hits() as f64, 5.0 + made.unwrap_or_default());
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_given_up_for_another_one() {
    for protocol in ["http1", "http2"] {
        let origin = failing(1, || async { pending().await });
        let origin = if protocol == "http2" { origin.http2() } else { origin };
        let origin = origin.start().await;
        let protocol_of = format!(", protocol: {protocol}");
        let gateway = caching(&origin, ", retry: { per_try_timeout: 500ms }", &protocol_of).await;
        gateway.client().get("/").send().await.assert_status(200).assert_text("at last");
        assert_eq!(origin.hits(), 2, "{protocol}");
    }
}

#[tokio::test]
async fn what_all_of_it_may_take_holds_for_the_body_too() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().otherwise(feeds.route()).start().await;
    let gateway = caching(&origin, ", timeouts: { total: 1s }", "").await;
    let asking = tokio::spawn(gateway.client().get("/").try_send());
    let feed = feeds.next().await;
    feed.send("a beginning").await.unwrap();
    let broken = asking.await.unwrap();
    assert!(matches!(broken, Err(Failed::BrokenOff { .. })), "{broken:?}");
    drop(feed);
}

#[tokio::test]
async fn a_connection_that_its_server_is_about_to_close_is_not_taken() {
    for (says, connections) in [("timeout=1", 3), ("timeout=30", 1)] {
        let answer = Fixed::status(200).body("me").header("keep-alive", says);
        let origin = Origin::builder().otherwise(answer).start().await;
        let gateway = caching(&origin, "", "").await;
        for path in ["/a", "/b", "/c"] {
            gateway.client().get(path).send().await.assert_status(200);
        }
        assert_eq!(origin.connections(), connections, "{says}");
        let log = gateway.stop().await;
        assert!(log.iter().all(|line| line["attempts"] == 1), "{says}: a connection given up is no attempt");
    }
}
