//! `cors`: what pages of other origins may do, errors included.

use headwall_testkit::{Call, Gateway, Origin, Response, Seen};
use http::Method;

use super::guarded;

const PAGE: &str = "https://app.example.com";

fn preflight(gateway: &Gateway, origin: &str) -> Call {
    let call = gateway.client().request(Method::OPTIONS, "/orders").header("origin", origin);
    call.header("access-control-request-method", "PUT")
}

#[tokio::test]
async fn a_preflight_is_answered_before_anybody_is_asked_who_they_are() {
    let (app, gateway) = guarded(
        "[{ cors: { origins: [https://app.example.com, \"https://*.example.org\"],
            methods: [GET, PUT], headers: [Content-Type, X-Token], credentials: true, max_age: 1h, private_network: true } },
          { api_key: { keys: { a: \"${KEY}\" } } }]",
    )
    .await;
    let gateway = gateway.variable("KEY", "a key of sixteen bytes or more").start().await;
    for origin in [PAGE, "https://a.example.org"] {
        let reply = preflight(&gateway, origin).send().await;
        reply.assert_status(204).assert_text("");
        reply.assert_header("access-control-allow-origin", origin);
        reply.assert_header("access-control-allow-methods", "GET, PUT");
        reply.assert_header("access-control-allow-headers", "Content-Type, X-Token");
        reply.assert_header("access-control-allow-credentials", "true");
        reply.assert_header("access-control-max-age", "3600");
        reply.assert_no_header("access-control-allow-private-network");
        assert!(reply.header("vary").unwrap().contains("Origin"), "{reply}");
    }
    let private =
        preflight(&gateway, PAGE).header("access-control-request-private-network", "true").send().await;
    private.assert_header("access-control-allow-private-network", "true");

    let refused = preflight(&gateway, "https://evil.test").send().await;
    refused.assert_status(403).assert_no_header("access-control-allow-origin");
    assert_eq!(app.hits(), 0, "the application hears of no preflight");

    // A page can read why it was refused.
    let reply = gateway.client().get("/").header("origin", PAGE).send().await;
    reply.assert_status(401).assert_header("access-control-allow-origin", PAGE);
    let reply = gateway.client().get("/").send().await;
    reply.assert_status(401).assert_no_header("access-control-allow-origin");
    assert!(reply.headers.get_all("vary").iter().any(|vary| vary == "Origin"), "for caches: {reply}");
    let log = gateway.stop().await;
    assert_eq!(log[3]["reason"], "origin_denied");
}

#[tokio::test]
async fn an_answer_has_one_word_on_cors_and_that_is_ours() {
    let app = Origin::builder()
        .otherwise(|_: Seen| async {
            Response::text("hello").header("access-control-allow-origin", "*").header("vary", "Accept")
        })
        .start()
        .await;
    let gateway = Gateway::config(
        "
        sites:
          - routes:
              - filters: [{ cors: { origin_patterns: [\"https://pr-[0-9]+[.]example[.]com\"], expose: [X-Total] } }]
                api: { upstream: app }
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", app.address())
    .start()
    .await;
    let origin = "https://pr-12.example.com";
    let reply = gateway.client().get("/").header("origin", origin).send().await;
    assert_eq!(reply.headers.get_all("access-control-allow-origin").iter().count(), 1);
    reply
        .assert_header("access-control-allow-origin", origin)
        .assert_header("access-control-expose-headers", "X-Total");
    let vary: Vec<_> = reply.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["Accept", "Origin"]);
    for other in ["https://pr-12.example.com.evil.test", "https://evil.test", "null"] {
        let reply = gateway.client().get("/").header("origin", other).send().await;
        reply.assert_status(200).assert_no_header("access-control-allow-origin");
    }
    // OPTIONS without the question of a preflight is the application's.
    let plain = gateway.client().request(Method::OPTIONS, "/").header("origin", origin).send().await;
    plain.assert_status(200).assert_text("hello");
}

#[tokio::test]
async fn every_origin_and_credentials_exclude_each_other() {
    let rows = [
        "origins: [\"*\"]",
        "origins: [https://a.test], headers: [\"*\"]",
        "origins: [https://a.test], expose: [\"*\"]",
    ];
    for settings in rows {
        let (_app, gateway) = guarded(&format!("[{{ cors: {{ {settings}, credentials: true }} }}]")).await;
        let report = gateway.try_start().await.unwrap_err();
        assert!(report.contains("exclude each other"), "{settings}: {report}");
    }
    let (_app, gateway) = guarded("[{ cors: { origins: [\"*\"], headers: [\"*\"] } }]").await;
    let gateway = gateway.start().await;
    let reply = gateway.client().get("/").header("origin", "https://any.test").send().await;
    reply.assert_header("access-control-allow-origin", "*").assert_no_header("vary");
    preflight(&gateway, "null").send().await.assert_header("access-control-allow-headers", "*");
}
