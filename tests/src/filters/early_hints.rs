//! `early_hints`: what a page needs is told before there is the page, and with it.

use headwall_testkit::{Fixed, Gate, Gateway, Origin, Wire, deaf_address};

use crate::chromium::Chromium;

const LINKS: &str = r#"["</app.css>; rel=preload; as=style", "<https://fonts.example.com>; rel=preconnect"]"#;
const NAVIGATION: &str = "Host: a\r\nSec-Fetch-Mode: navigate\r\n\r\n";

/// A gateway with the filter, and others behind it.
async fn gateway(server: impl std::fmt::Display, others: &str) -> Gateway {
    Gateway::start(&format!(
        "
        listeners: [{{ address: \"127.0.0.1:0\", http2: true }}]
        sites: [{{ routes: [{{ filters: [{{ early_hints: {{ links: {LINKS} }} }}{others}], api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{server}\"] }} }}
        "
    ))
    .await
}

fn html(text: &'static str) -> Fixed {
    Fixed::status(200).header("content-type", "text/html; charset=utf-8").body(text)
}

#[tokio::test]
async fn a_browser_is_told_before_the_server_has_answered() {
    let gate = Gate::closed();
    let origin = Origin::builder().otherwise(gate.then(html("page"))).start().await;
    let gateway = gateway(origin.address(), "").await;
    let mut wire = Wire::connect(gateway.address()).await;
    for _ in 0..2 {
        gate.close();
        wire.write(format!("GET / HTTP/1.1\r\n{NAVIGATION}")).await;
        let hints = wire.read_head().await.to_lowercase();
        assert!(hints.starts_with("http/1.1 103 early hints\r\n"), "{hints}");
        let links: Vec<_> = hints.lines().filter_map(|line| line.strip_prefix("link: ")).collect();
        let expected = ["</app.css>; rel=preload; as=style", "<https://fonts.example.com>; rel=preconnect"];
        assert_eq!(links, expected);
        assert_eq!(hints.trim_end().lines().count(), 3, "and nothing else: {hints}");
        gate.open();
        let answer = wire.read_head().await.to_lowercase();
        assert!(answer.starts_with("http/1.1 200 ") && answer.contains("link: </app.css>"), "{answer}");
        assert_eq!(wire.read_exactly(4).await, "page");
    }
    for line in gateway.stop().await {
        assert_eq!(line["status"], 200, "the log tells of the answer");
    }
}

#[tokio::test]
async fn nobody_else_is_told_ahead() {
    let origin = Origin::builder().otherwise(html("page")).start().await;
    let rows = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", "200", "a client that says nothing"),
        ("GET / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: cors\r\n\r\n", "", "200", "a script"),
        (
            "POST / HTTP/1.1\r\nContent-Length: 0\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n\r\n",
            "",
            "200",
            "a form",
        ),
        ("GET / HTTP/1.0\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n\r\n", "", "200", "HTTP/1.0"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n\r\n",
            ", { access: { deny: [\"0.0.0.0/0\"] } }",
            "403",
            "who is refused",
        ),
    ];
    for (request, others, status, row) in rows {
        let gateway = gateway(origin.address(), others).await;
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(request).await;
        let head = wire.read_head().await;
        assert!(head.contains(&format!(" {status} ")), "{row}: {head}");
        assert_eq!(head.to_lowercase().contains("link:"), status == "200", "{row}: {head}");
    }
}

#[tokio::test]
async fn over_http2_the_answer_says_it() {
    let origin = Origin::builder().otherwise(html("page")).start().await;
    let gateway = gateway(origin.address(), "").await;
    let client = gateway.client().http2();
    let reply = client.get("/").header("sec-fetch-mode", "navigate").send().await;
    reply.assert_status(200).assert_text("page");
    assert_eq!(reply.headers.get_all("link").iter().count(), 2);
}

#[tokio::test]
async fn pages_have_the_links_that_they_do_not_name_themselves() {
    let named = html("page").header("link", "</app.css>; rel=stylesheet");
    let origin = Origin::builder()
        .route("/", html("page"))
        .route("/named", named)
        .route("/error", Fixed::status(500).header("content-type", "text/html"))
        .route("/data", Fixed::status(200).header("content-type", "application/json").body("{}"))
        .start()
        .await;
    let gateway = gateway(origin.address(), "").await;
    let rows =
        [("/", 2, "a page"), ("/named", 2, "one of its own"), ("/error", 0, "no page"), ("/data", 0, "data")];
    for (path, links, row) in rows {
        let reply = gateway.client().get(path).send().await;
        assert_eq!(reply.headers.get_all("link").iter().count(), links, "{row}");
    }
    let reply = gateway.client().get("/named").send().await;
    assert_eq!(reply.header("link"), Some("</app.css>; rel=stylesheet"), "the app's word counts");
}

#[tokio::test]
async fn files_have_them_too() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.html"), "<h1>shell</h1>").unwrap();
    std::fs::write(dir.path().join("app.css"), "h1 {}").unwrap();
    let gateway = Gateway::start(&format!(
        "sites: [{{ filters: [{{ early_hints: {{ links: {LINKS} }} }}], routes: [{{ spa: {{ root: \"{}\" }} }}] }}]",
        dir.path().display()
    ))
    .await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write(format!("GET /some/place HTTP/1.1\r\nAccept: text/html\r\n{NAVIGATION}")).await;
    let head = wire.read_head().await.to_lowercase();
    assert!(head.starts_with("http/1.1 200 ") && head.contains("link: </app.css>"), "at once: {head}");
    gateway.client().get("/app.css").send().await.assert_status(200).assert_no_header("link");
}

#[tokio::test]
async fn an_error_may_follow() {
    let refusing = deaf_address();
    let gateway = gateway(refusing, "").await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write(format!("GET / HTTP/1.1\r\n{NAVIGATION}")).await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 103 "));
    let answer = wire.read_head().await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && !answer.to_lowercase().contains("link:"), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_behind_the_hints_was_sent_no_answer() {
    let gate = Gate::closed();
    let origin = Origin::builder().otherwise(gate.then(html("page"))).start().await;
    let gateway = gateway(origin.address(), "").await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write(format!("GET / HTTP/1.1\r\n{NAVIGATION}")).await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 103 "));
    gate.reached(1).await;
    wire.reset();
    let line = gateway.stop().await.pop().unwrap();
    assert_eq!((&line["status"], &line["reason"]), (&499.into(), &"client_closed".into()), "{line}");
}

#[tokio::test]
async fn a_link_that_no_browser_acts_on_is_an_error_of_the_config() {
    let yaml = "sites: [{ routes: [{ filters: [{ early_hints: { links: [\"</app.css>; rel=preload\"] } }], respond: {} }] }]";
    let why = Gateway::config(yaml).try_start().await.err().unwrap_or_default();
    assert!(why.contains("a preload needs `as`") && why.contains("^^^^^"), "{why}");
}

/// Chromium knows 103s of HTTP/1.1, and does not act on them; the page comes all the same, with what it names in `Link`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_gets_its_page_behind_a_103() {
    let page = "<!doctype html><title>app</title><p>the page</p>";
    let css = Fixed::status(200).header("content-type", "text/css").body("p { color: red }");
    let origin = Origin::builder().route("/", html(page)).route("/app.css", css).start().await;
    let gateway = gateway(origin.address(), "").await;
    let profile = tempfile::tempdir().unwrap();
    let Some(mut browser) = Chromium::start("filters::early_hints", profile).await else { return };
    browser.goes_to(&format!("http://{}/", gateway.address())).await;
    assert_eq!(browser.evaluate("document.body.textContent.trim()").await, "the page");
    let asked = origin.requests();
    let navigation = asked.iter().find(|seen| seen.path() == "/").unwrap();
    assert_eq!(navigation.header("sec-fetch-mode"), Some("navigate"), "so it was sent a 103");
    assert!(asked.iter().any(|seen| seen.path() == "/app.css"), "the page does not name it, `Link` does");
}
