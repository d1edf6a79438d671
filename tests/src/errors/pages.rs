//! Errors in the site's own words.

use headwall_testkit::{Fixed, Gateway, Origin};

use crate::metrics::metric_is;

const HTML: &str = "text/html,*/*;q=0.1";

/// A site with pages, a route with a page of its own, and one where the app's errors are shown by pages too.
async fn paged(origin: &Origin, file: &std::path::Path) -> Gateway {
    Gateway::config(
        r#"
        sites:
          - hosts: [app.test]
            filters:
              - error_pages:
                  pages:
                    - { status: [404, 405], html: { file: "${FILE}" } }
                    - status: [4xx, 5xx]
                      html: { text: "<style>p{margin:0}</style><p>{status} {message} {reason} {http.header.x-name}</p>" }
                      json: { text: '{"oops":"{message}","who":"{http.header.x-name}"}' }
            routes:
              - match: { path: /limited }
                filters: [{ rate_limit: { rate: 1r/m } }]
                respond: { body: ok }
              - match: { path: /own }
                filters:
                  - error_pages:
                      upstream: true
                      pages: [{ status: [404, 401, 500], html: { text: "the app says {status}: {message}" } }]
                api: { upstream: app }
              - match: { path: /app }
                api: { upstream: app }
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .variable("FILE", file.display())
    .start()
    .await
}

fn page(dir: &tempfile::TempDir, text: &str) -> std::path::PathBuf {
    let file = dir.path().join("404.html");
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn our_own_errors_have_the_looks_of_the_site() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("hello").await;
    let gateway = paged(&origin, &page(&dir, "<h1>Nothing at {path}</h1>")).await;
    let client = gateway.client().host("app.test");
    let missing = client.get("/no/where").header("accept", HTML).send().await;
    missing.assert_status(404).assert_text("<h1>Nothing at /no/where</h1>");
    missing.assert_header("content-type", "text/html; charset=utf-8").assert_header("vary", "Accept");
    missing.assert_header("cache-control", "no-store");
    let head = client.head("/nowhere").header("accept", HTML).send().await;
    head.assert_status(404).assert_header("content-length", "28").assert_text("");
    client
        .get("/nowhere")
        .send()
        .await
        .assert_status(404)
        .assert_text(r#"{"oops":"Nothing was found here.","who":""}"#);
    let problem = client.get("/nowhere").header("accept", "application/problem+json").send().await;
    assert_eq!(problem.json()["reason"], "no_route", "a form that no page has is Headwall's own");

    client.get("/limited").send().await.assert_status(200);
    let limited = client.get("/limited").header("accept", HTML).header("x-name", "<b>").send().await;
    limited.assert_status(429).assert_text(
        "<style>p{margin:0}</style><p>429 Too many requests. Please try again later. rate_limited &lt;b&gt;</p>",
    );
    assert!(limited.header("retry-after").is_some(), "the headers of the error stay");
    let limited = client.get("/limited").header("x-name", "\"}").send().await;
    assert_eq!(limited.json()["who"], "\"}", "a string stays a string");

    origin.stop().await;
    let lost = client.get("/app").header("accept", HTML).send().await;
    lost.assert_status(502);
    assert!(lost.text().contains("<p>502 ") && !lost.text().contains("127.0.0.1"), "{}", lost.text());
    let elsewhere = gateway.client().get("/").host("other.test").header("accept", HTML).send().await;
    assert!(elsewhere.text().contains("<h1>Not Found</h1>"), "another host is none of this site's business");
}

#[tokio::test]
async fn the_apps_errors_stay_its_own_unless_somebody_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let said = |status| Fixed::status(status).header("www-authenticate", "Basic").body("the app's own words");
    let origin = Origin::builder().route("/app", said(404)).route("/own", said(401)).start().await;
    let gateway = paged(&origin, &page(&dir, "ours")).await;
    let client = gateway.client().host("app.test");
    let theirs = client.get("/app").header("accept", HTML).send().await;
    theirs.assert_status(404).assert_text("the app's own words");
    for _ in 0..2 {
        let ours = client.get("/own").header("accept", HTML).send().await;
        ours.assert_status(401).assert_text("the app says 401: Authentication is required.");
        ours.assert_header("www-authenticate", "Basic").assert_header("cache-control", "no-store");
    }
    let json = client.get("/own").send().await;
    json.assert_status(401).assert_text("the app's own words");
    metric_is(&gateway, "headwall_upstream_requests_total{outcome=\"ok\",upstream=\"app\"}", 4.0).await;
    let log = gateway.stop().await;
    assert_eq!((&log[1]["status"], &log[1]["reason"]), (&401.into(), &"error_page".into()));
    assert_eq!(log[3].get("reason"), None, "the app's own answer");
}

#[tokio::test]
async fn pages_are_read_again_by_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let file = page(&dir, "before");
    let config = r#"
        sites: [{ filters: [{ error_pages: { pages: [{ status: [404], html: { file: "${FILE}" } }] } }], routes: [] }]
    "#;
    let mut gateway = Gateway::config(config).variable("FILE", file.display()).start().await;
    let ask = async |gateway: &Gateway| gateway.client().get("/").header("accept", HTML).send().await.text();
    assert_eq!(ask(&gateway).await, "before");
    page(&dir, "after");
    assert_eq!(ask(&gateway).await, "before", "nothing is read while requests are served");
    gateway.reload(config).await.unwrap();
    assert_eq!(ask(&gateway).await, "after");
    std::fs::remove_file(&file).unwrap();
    assert!(gateway.reload(config).await.is_err(), "a page that is gone");
    assert_eq!(ask(&gateway).await, "after", "what was running goes on");
}

#[tokio::test]
async fn slips_are_told() {
    for (pages, expected) in [
        ("[{ status: [200], html: { text: a } }]", "was `200`"),
        ("[{ status: [404] }]", "shows nothing"),
        ("[{ status: [404], html: {} }]", "needs a `file` or a `text`"),
        ("[{ status: [404], html: { text: a, file: b } }]", "not in both"),
        ("[{ status: [404], html: { text: \"{statsu}\" } }]", "there is no `{statsu}`"),
        ("[{ status: [404], html: { file: /nowhere/404.html } }]", "/nowhere/404.html"),
        ("[]", "length"),
    ] {
        let config = format!(
            "sites: [{{ routes: [{{ filters: [{{ error_pages: {{ pages: {pages} }} }}], respond: {{}} }}] }}]"
        );
        let error = Gateway::config(&config).try_start().await.unwrap_err();
        assert!(error.contains(expected), "{pages}: {error}");
    }
}
