//! Requests that go to more than one upstream: a share to a canary, copies to a mirror, the rest of a failure to a fallback.

use headwall_testkit::{Fixed, Gate, Gateway, Origin, within};

use crate::metrics::metric_is;

/// A gateway in front of `app` and `other`, with these settings of the service and these filters.
async fn gateway(app: &Origin, other: &Origin, api: &str, filters: &str) -> Gateway {
    let config = format!(
        "
        sites: [{{ name: app, routes: [{{ name: all, filters: [{filters}], api: {{ upstream: app{api} }} }}] }}]
        upstreams: {{ app: {{ servers: [\"${{APP}}\"] }}, other: {{ servers: [\"${{OTHER}}\"] }} }}
        "
    );
    Gateway::config(&config).variable("APP", app.address()).variable("OTHER", other.address()).start().await
}

/// A server that answers everything with this status and its name.
async fn answering(status: u16, name: &'static str) -> Origin {
    Origin::builder().otherwise(Fixed::status(status).body(name)).start().await
}

#[tokio::test]
async fn a_client_of_the_canary_stays_there() {
    let (app, next) = (Origin::fixed("app").await, Origin::fixed("next").await);
    let split = ", split: { to: [{ upstream: other, percent: 30 }], by: { cookie: session } }";
    let gateway = gateway(&app, &next, split, "").await;
    let client = gateway.client();
    let mut at_canary = 0;
    for session in 0..40 {
        let cookie = format!("theme=dark; session=user-{session}");
        let ask = async || client.get("/").header("cookie", &cookie).send().await.assert_status(200).text();
        let first = ask().await;
        assert_eq!(ask().await, first, "session {session} has moved");
        at_canary += u32::from(first == "next");
    }
    assert!((3..=24).contains(&at_canary), "12 of 40 were to be expected: {at_canary}");
}

#[tokio::test]
async fn what_one_upstream_cannot_answer_the_fallback_does() {
    // Settings, app's status (0 is a server that is gone), method, body, who answers and with which status.
    let rows = [
        ("", 0, "GET", "", 200, "other", "nobody listens"),
        ("", 0, "POST", "body", 200, "other", "nothing was sent, so a POST goes on as well"),
        ("", 503, "GET", "", 200, "other", "the app says that it cannot"),
        ("", 503, "PUT", "body", 200, "other", "its body goes along"),
        ("", 503, "POST", "body", 503, "app", "it may have had an effect"),
        (
            ", retry: { non_idempotent: true }",
            503,
            "POST",
            "body",
            200,
            "other",
            "the operator says it had none",
        ),
        ("", 500, "GET", "", 500, "app", "an error of the app is its answer"),
        ("", 404, "GET", "", 404, "app", "so is that there is nothing"),
    ];
    for (settings, status, method, body, expected, who, row) in rows {
        let app = answering(if status == 0 { 200 } else { status }, "app").await;
        let other = Origin::fixed("other").await;
        let gateway =
            gateway(&app, &other, &format!(", fallback: {{ upstream: other }}{settings}"), "").await;
        if status == 0 {
            app.stop().await;
        }
        let call = gateway.client().request(method.parse().unwrap(), "/path?x=1");
        let call = if body.is_empty() { call } else { call.body(body) };
        let answer = call.send().await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (expected, who), "{row}");
        if who == "other" {
            let seen = &other.requests()[0];
            assert_eq!((seen.path(), seen.text().as_str()), ("/path", body), "{row}");
        } else {
            assert_eq!(other.hits(), 0, "{row}");
        }
    }
}

#[tokio::test]
async fn a_fallback_that_fails_too_is_told_as_it_is() {
    let (app, other) = (answering(503, "app").await, answering(502, "other").await);
    let gateway = gateway(&app, &other, ", fallback: { upstream: other }", "").await;
    gateway.client().get("/").send().await.assert_status(502).assert_text("other");
    assert_eq!((app.hits(), other.hits()), (1, 1), "one attempt each");
    app.stop().await;
    other.stop().await;
    gateway.client().get("/").send().await.assert_status(502);
}

#[tokio::test]
async fn what_a_cache_fetches_goes_to_the_fallback_too() {
    for gone in [false, true] {
        let (app, other) = (answering(503, "app").await, Origin::fixed("other").await);
        let gateway =
            gateway(&app, &other, ", fallback: { upstream: other }", "{ cache: { ttl: 1m } }").await;
        if gone {
            app.stop().await;
        }
        for _ in 0..2 {
            gateway.client().get("/").send().await.assert_status(200).assert_text("other");
        }
        // It is not kept: the app may be well again.
        assert_eq!(other.hits(), 2, "gone: {gone}");
    }
}

#[tokio::test]
async fn a_mirror_gets_whole_copies_and_nobody_waits_for_it() {
    let gate = Gate::closed();
    let app = Origin::fixed("app").await;
    let shadow = Origin::builder().otherwise(gate.then("shadow")).start().await;
    let gateway = gateway(&app, &shadow, "", "{ mirror: { upstream: other } }").await;
    let client = gateway.client();
    // The mirror answers nothing until the end of this test.
    client.get("/read?x=1").header("x-user", "ann").send().await.assert_status(200).assert_text("app");
    client.post("/write", "a body").send().await.assert_status(200).assert_text("app");
    within(5, shadow.reached(2)).await;
    gate.open();
    let count = "headwall_mirror_requests_total{place=\"app/all\",result=\"sent\"}";
    metric_is(&gateway, count, 2.0).await;
    let copies = shadow.requests();
    let read = copies.iter().find(|copy| copy.path() == "/read").unwrap();
    assert_eq!((read.header("x-user"), read.text().as_str()), (Some("ann"), ""));
    assert!(read.header("x-forwarded-for").is_some(), "it knows where the request came from");
    let write = copies.iter().find(|copy| copy.path() == "/write").unwrap();
    assert_eq!((write.header("content-length"), write.text().as_str()), (Some("6"), "a body"));
    assert_eq!(app.hits(), 2);
}

#[tokio::test]
async fn what_a_mirror_has_no_room_for_is_counted_and_not_copied() {
    let gate = Gate::closed();
    let app = Origin::fixed("app").await;
    let shadow = Origin::builder().otherwise(gate.then("shadow")).start().await;
    let mirror = "{ mirror: { upstream: other, max_in_flight: 1, max_body: 4 } }";
    let gateway = gateway(&app, &shadow, "", mirror).await;
    let client = gateway.client();
    let count = |result| format!("headwall_mirror_requests_total{{place=\"app/all\",result=\"{result}\"}}");
    client.post("/", "five!").send().await.assert_status(200).assert_text("app");
    metric_is(&gateway, &count("too_large"), 1.0).await;
    client.get("/").send().await.assert_status(200);
    within(5, shadow.reached(1)).await;
    client.get("/").send().await.assert_status(200).assert_text("app");
    metric_is(&gateway, &count("no_room"), 1.0).await;
    gate.open();
    metric_is(&gateway, &count("sent"), 1.0).await;
    assert_eq!((app.hits(), shadow.hits()), (3, 1));
}

#[tokio::test]
async fn what_was_refused_is_not_copied() {
    let (app, shadow) = (Origin::fixed("app").await, Origin::fixed("shadow").await);
    let filters = "{ mirror: { upstream: other } }, { access: { deny: [127.0.0.0/8] } }";
    let gateway = gateway(&app, &shadow, "", filters).await;
    gateway.client().get("/").send().await.assert_status(403);
    gateway.stop().await;
    assert_eq!((app.hits(), shadow.hits()), (0, 0));
}

#[tokio::test]
async fn a_mirrored_request_is_repeated_like_any_other() {
    let (app, shadow) = (answering(503, "app").await, Origin::fixed("shadow").await);
    let gateway =
        gateway(&app, &shadow, ", retry: { on_status: [503] }", "{ mirror: { upstream: other } }").await;
    gateway.client().request(http::Method::PUT, "/").body("a body").send().await.assert_status(503);
    within(5, shadow.reached(1)).await;
    assert_eq!(app.hits(), 2, "the body was watched and is still there");
    assert_eq!(shadow.requests()[0].text(), "a body", "once, and once only");
}

#[tokio::test]
async fn shares_beyond_everything_and_a_fallback_to_itself_are_refused() {
    let rows = [
        (
            "split: { to: [{ upstream: other, percent: 60 }, { upstream: app, percent: 50 }] }",
            "expected 100 percent at most, the shares add up to 110",
        ),
        ("split: { to: [] }", "length is lower than 1"),
        ("split: { to: [{ upstream: nobody, percent: 5 }] }", "nobody"),
        ("fallback: { upstream: app }", "`app` cannot be its own fallback"),
    ];
    for (settings, expected) in rows {
        let config = format!(
            "
            sites: [{{ routes: [{{ api: {{ upstream: app, {settings} }} }}] }}]
            upstreams: {{ app: {{ servers: [\"127.0.0.1:1\"] }}, other: {{ servers: [\"127.0.0.1:2\"] }} }}
            "
        );
        let error = Gateway::config(&config).try_start().await.unwrap_err();
        assert!(error.contains(expected), "{settings}: {error}");
    }
}
