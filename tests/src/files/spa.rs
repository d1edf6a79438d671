//! A single-page app: its shell for pages, a 404 for what is missing, and how long each file is kept.

use super::{Site, write};

const SPA: &str = "spa: { root: \"{root}\" }";
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

type Headers = &'static [(&'static str, &'static str)];

fn app(root: &std::path::Path) {
    write(
        root,
        &[
            ("index.html", "<div id=app>"),
            ("index.html.br", "shell as br"),
            ("assets/index-BhX3a9_k.js", "let app"),
            ("assets/index-BhX3a9_k.js.gz", "app as gz"),
            ("favicon.svg", "<svg/>"),
            ("sw.js", "self"),
        ],
    );
}

#[tokio::test]
async fn pages_get_the_shell_and_everything_else_a_404() {
    let site = Site::with(SPA, app).await;
    let rows: [(&str, Headers, Option<&str>, &str); 13] = [
        ("/", &[("accept", BROWSER)], Some("<div id=app>"), "the root"),
        ("/", &[], Some("<div id=app>"), "the root, for anybody"),
        ("/settings/profile", &[("accept", BROWSER)], Some("<div id=app>"), "a page"),
        ("/settings/", &[("accept", BROWSER)], Some("<div id=app>"), "a page with a slash"),
        ("/users/john.doe", &[("accept", BROWSER)], Some("<div id=app>"), "a page with a dot"),
        (
            "/settings",
            &[("accept", "*/*"), ("sec-fetch-mode", "navigate")],
            Some("<div id=app>"),
            "a navigation",
        ),
        ("/assets", &[("accept", BROWSER)], Some("<div id=app>"), "a directory without an index"),
        ("/settings", &[("accept", "*/*")], None, "curl"),
        ("/api/users", &[("accept", "application/json")], None, "an API that is not there"),
        (
            "/assets/index-AAAAAAAA.js",
            &[("accept", "*/*"), ("sec-fetch-mode", "no-cors")],
            None,
            "an old script",
        ),
        ("/assets/index-AAAAAAAA.js", &[("accept", BROWSER)], None, "an old script in a tab"),
        ("/.git/config", &[("accept", BROWSER)], None, "what is hidden"),
        ("/a%2Fb", &[("accept", BROWSER)], None, "what cannot be a name"),
    ];
    for (path, headers, expected, row) in rows {
        let call =
            headers.iter().fold(site.client().get(path), |call, (name, value)| call.header(name, value));
        let reply = call.send().await;
        match expected {
            Some(text) => {
                reply.assert_status(200).assert_text(text).assert_header("cache-control", "no-cache")
            }
            None => reply.assert_status(404),
        };
        assert_eq!(
            reply.header("x-content-type-options"),
            Some("nosniff"),
            "{row}: {path}: secure, whatever it is"
        );
    }
    let stood_in = site.client().get("/page").header("accept", BROWSER).send().await;
    let vary: Vec<_> = stood_in.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(vary, ["Accept-Encoding", "Accept, Sec-Fetch-Mode"], "who asks decides");
    let head = site.client().head("/page").header("accept", BROWSER).send().await;
    head.assert_status(200).assert_header("content-length", "12");
    let known = site
        .client()
        .get("/page")
        .header("accept", BROWSER)
        .header("if-none-match", stood_in.header("etag").unwrap());
    known.send().await.assert_status(304);
    site.client().post("/page", "x").header("accept", BROWSER).send().await.assert_status(405);
}

#[tokio::test]
async fn what_never_changes_is_kept_for_a_year_and_the_rest_is_asked_about() {
    let site = Site::with(SPA, app).await;
    let hashed =
        site.client().get("/assets/index-BhX3a9_k.js").header("accept-encoding", "gzip").send().await;
    hashed.assert_status(200).assert_text("app as gz").assert_header("content-encoding", "gzip");
    hashed.assert_header("cache-control", "public, max-age=31536000, immutable");
    for path in ["/", "/index.html", "/sw.js", "/favicon.svg"] {
        site.client().get(path).send().await.assert_status(200).assert_header("cache-control", "no-cache");
    }
    let shell =
        site.client().get("/any").header("accept", BROWSER).header("accept-encoding", "br").send().await;
    shell.assert_text("shell as br").assert_header("content-encoding", "br");
    shell.assert_header("content-type", "text/html; charset=utf-8");

    let settings =
        "spa: { root: \"{root}\", immutable: \"^/favicon\", cache_control: null, shell: shell.html }";
    let other = Site::with(settings, |root| {
        app(root);
        write(root, &[("shell.html", "shell")]);
    })
    .await;
    other
        .client()
        .get("/any")
        .header("accept", BROWSER)
        .send()
        .await
        .assert_text("shell")
        .assert_no_header("cache-control");
    other.client().get("/assets/index-BhX3a9_k.js").send().await.assert_no_header("cache-control");
    let favicon = other.client().get("/favicon.svg").send().await;
    favicon.assert_header("cache-control", "public, max-age=31536000, immutable");
}

#[tokio::test]
async fn a_new_release_is_seen_by_those_who_come_next() {
    let site = Site::with("spa: { root: \"{root}/current\" }", |root| {
        write(root, &[("one/index.html", "one"), ("two/index.html", "two")]);
        std::os::unix::fs::symlink("one", root.join("current")).unwrap();
    })
    .await;
    site.client().get("/page").header("accept", BROWSER).send().await.assert_text("one");
    std::os::unix::fs::symlink("two", site.root().join("next")).unwrap();
    std::fs::rename(site.root().join("next"), site.root().join("current")).unwrap();
    let client = site.client();
    let two = async || {
        let reply = Box::pin(client.get("/page").header("accept", BROWSER).send()).await;
        (reply.text() == "two").then_some(())
    };
    headwall_testkit::eventually(10, two).await;
}
