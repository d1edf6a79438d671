//! A single-page app in a browser: what it loads the first time, and what it does not ask for again.

use tempfile::tempdir;

use super::{Site, write};
use crate::chromium::Chromium;

const PAGE: &str = r#"<!doctype html><title>app</title><link rel="stylesheet" href="/assets/style-D1xx9Qab.css">
<p id="app">empty</p><script type="module" src="/assets/index-BhX3a9_k.js"></script>"#;
const SCRIPT: &str = r#"
const missing = await fetch("/assets/missing.js");
document.getElementById("app").textContent =
  `${location.pathname} ${missing.status} ${getComputedStyle(document.body).color}`;
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_runs_the_app_on_every_page_and_keeps_what_never_changes() {
    let site = Site::with("spa: { root: \"{root}\" }", |root| {
        write(
            root,
            &[
                ("index.html", PAGE),
                ("assets/index-BhX3a9_k.js", SCRIPT),
                ("assets/style-D1xx9Qab.css", "body { color: rgb(1, 2, 3) }"),
            ],
        );
    })
    .await;
    let Some(mut browser) = Chromium::start("files::browser", tempdir().unwrap()).await else { return };
    let base = format!("http://{}", site.gateway.address());
    for path in ["/settings/profile", "/users/john.doe"] {
        browser.goes_to(&format!("{base}{path}")).await;
        let shown = "document.getElementById('app').textContent";
        browser.until(&format!("{shown} !== 'empty'")).await;
        let expected = format!("{path} 404 rgb(1, 2, 3)");
        assert_eq!(browser.evaluate(shown).await, expected, "script, style and shell were loaded");
    }
    drop(browser);
    let log = site.gateway.stop().await;
    let asked = |uri: &str| log.iter().filter(|line| line["uri"] == uri).count();
    assert_eq!((asked("/settings/profile"), asked("/users/john.doe")), (1, 1));
    assert_eq!(asked("/assets/index-BhX3a9_k.js"), 1, "kept, and not asked about: {log:#?}");
    assert_eq!(asked("/assets/style-D1xx9Qab.css"), 1, "kept, and not asked about: {log:#?}");
    assert_eq!(asked("/assets/missing.js"), 2, "a 404 is not kept");
}
