//! Services that answer by themselves: `respond` and `redirect`.

use headwall_testkit::Gateway;

#[tokio::test]
async fn a_fixed_answer_has_status_body_type_and_headers() {
    let gateway = Gateway::start(
        r#"
        sites:
          - routes:
              - match: { path: /ping }
                respond: { body: pong }
              - match: { path: /empty }
                respond: {}
              - match: { path: /teapot }
                respond: { status: 418, body: '{"short":true}', content_type: application/json, headers: { X-Stout: "1" } }
        "#,
    )
    .await;
    let client = gateway.client();
    let ping = client.get("/ping").send().await;
    ping.assert_status(200).assert_text("pong").assert_header("content-type", "text/plain; charset=utf-8");
    let head = client.head("/ping").send().await;
    head.assert_status(200).assert_text("").assert_header("content-length", "4");
    client.get("/empty").send().await.assert_status(204).assert_no_header("content-length");
    let teapot = client.get("/teapot").send().await;
    teapot.assert_status(418).assert_header("content-type", "application/json").assert_header("x-stout", "1");
}

#[tokio::test]
async fn a_redirect_keeps_what_its_target_asks_for() {
    let gateway = Gateway::start(
        r#"
        sites:
          - routes:
              - match: { path_prefix: /old }
                redirect: { to: "/new{path}", status: 301 }
              - match: { path: /search }
                redirect: { to: "https://find.example/?{query}", status: 302 }
              - redirect: { to: "https://{host}{uri}" }
        "#,
    )
    .await;
    let client = gateway.client().host("app.example:8080");
    let rows = [
        ("/old/page", 301, "/new/old/page"),
        ("/search?q=a%20b", 302, "https://find.example/?q=a%20b"),
        ("/any/where?x=1", 308, "https://app.example/any/where?x=1"),
    ];
    for (uri, status, location) in rows {
        client.get(uri).send().await.assert_status(status).assert_header("location", location);
    }
}

#[tokio::test]
async fn a_target_with_an_unknown_placeholder_is_refused_at_its_place() {
    let yaml = "sites: [{ routes: [{ redirect: { to: \"https://{hots}/\" } }] }]";
    let why = Gateway::config(yaml).try_start().await.err().unwrap_or_default();
    assert!(why.contains("there is no `{hots}`"), "{why}");
    assert!(why.contains("test.yaml:6:"), "the line after five lines of defaults: {why}");
}
