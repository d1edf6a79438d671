//! `security_headers` and `headers`.

use headwall_testkit::{Echo, Fixed, Gateway, Origin};

const PRESET: [(&str, &str); 3] = [
    ("x-frame-options", "SAMEORIGIN"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
];

#[tokio::test]
async fn the_preset_is_on_every_answer_and_hsts_only_over_https() {
    let origin = Origin::fixed("hello").await;
    let gateway = Gateway::config(
        r#"
        client: { trusted_proxies: [127.0.0.1] }
        sites:
          - filters: [{ security_headers: {} }]
            routes: [{ match: { path: / }, api: { upstream: app } }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    for (path, status) in [("/", 200), ("/nowhere", 404)] {
        for (proto, hsts) in [("http", None), ("https", Some("max-age=31536000; includeSubDomains"))] {
            let reply = gateway.client().get(path).header("x-forwarded-proto", proto).send().await;
            reply.assert_status(status);
            for (name, value) in PRESET {
                reply.assert_header(name, value);
            }
            assert_eq!(reply.header("strict-transport-security"), hsts, "{proto} {path}");
            reply.assert_no_header("x-xss-protection").assert_no_header("content-security-policy");
        }
    }
}

#[tokio::test]
async fn a_client_that_nobody_trusts_cannot_claim_https() {
    let gateway = Gateway::start(
        "sites: [{ filters: [{ security_headers: {} }], routes: [{ respond: { body: hello } }] }]",
    )
    .await;
    let reply = gateway.client().get("/").header("x-forwarded-proto", "https").send().await;
    reply.assert_no_header("strict-transport-security");
}

#[tokio::test]
async fn each_header_of_the_preset_can_be_changed_or_left_out() {
    let answer = Fixed::status(200)
        .header("x-frame-options", "ALLOWALL")
        .header("referrer-policy", "unsafe-url")
        .header("referrer-policy", "origin");
    let origin = Origin::builder().otherwise(answer).start().await;
    let gateway = Gateway::config(
        r#"
        sites:
          - routes:
              - filters:
                  - security_headers:
                      x_frame_options: DENY
                      referrer_policy: null
                      x_xss_protection: "0"
                      content_security_policy: "default-src 'self'"
                api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let reply = gateway.client().get("/").send().await;
    reply
        .assert_header("x-frame-options", "DENY")
        .assert_header("x-content-type-options", "nosniff")
        .assert_header("x-xss-protection", "0")
        .assert_header("content-security-policy", "default-src 'self'");
    let policies: Vec<_> = reply.headers.get_all("referrer-policy").iter().collect();
    assert_eq!(policies, ["unsafe-url", "origin"], "what is left out here is the application's own matter");
}

#[tokio::test]
async fn headers_are_removed_set_and_added() {
    let answer = Fixed::status(200)
        .header("server", "app/1.2.3")
        .header("x-powered-by", "secrets")
        .header("x-set", "old")
        .header("x-added", "theirs");
    let origin = Origin::builder().route("/", answer).otherwise(Echo).start().await;
    let gateway = Gateway::config(
        r#"
        sites:
          - filters:
              - headers:
                  request:
                    remove: [cookie, x-both]
                    set: { X-Set: new, Host: inner.test, x-both: set again }
                    add: { x-added: ours }
                  response:
                    remove: [Server, X-Powered-By]
                    set: { X-Set: new }
                    add: { x-added: ours }
            routes: [{ match: { path: / }, api: { upstream: app } }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let reply = gateway
        .client()
        .get("/")
        .header("cookie", "a=b")
        .header("x-both", "client's")
        .header("x-set", "1")
        .header("x-set", "2")
        .header("x-added", "theirs")
        .send()
        .await;
    let seen = &origin.requests()[0];
    for (name, values) in [
        ("cookie", &[][..]),
        ("x-both", &["set again"]),
        ("x-set", &["new"]),
        ("x-added", &["theirs", "ours"]),
        ("host", &["inner.test"]),
    ] {
        assert_eq!(seen.header_values(name), values, "{name} of the request");
    }
    reply
        .assert_status(200)
        .assert_no_header("server")
        .assert_no_header("x-powered-by")
        .assert_header("x-set", "new");
    let added: Vec<_> = reply.headers.get_all("x-added").iter().collect();
    assert_eq!(added, ["theirs", "ours"]);

    let missed = gateway.client().get("/nowhere").send().await;
    missed
        .assert_status(404)
        .assert_no_header("server")
        .assert_header("x-set", "new")
        .assert_header("x-added", "ours");
}
