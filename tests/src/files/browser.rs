//! A single-page app in a browser: what it loads the first time, and what it does not ask for again.

use std::process::Stdio;

use headwall_testkit::within;
use tempfile::tempdir;
use tokio::process::Command;

use super::{Site, write};

/// Without a screen, a sandbox or a word to anybody outside.
const FLAGS: &str = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --disable-dev-shm-usage --no-default-browser-check --dump-dom";
const PAGE: &str = r#"<!doctype html><title>app</title><link rel="stylesheet" href="/assets/style-D1xx9Qab.css">
<p id="app">empty</p><script type="module" src="/assets/index-BhX3a9_k.js"></script>"#;
const SCRIPT: &str = r#"
const missing = await fetch("/assets/missing.js");
document.getElementById("app").textContent =
  `${location.pathname} ${missing.status} ${getComputedStyle(document.body).color}`;
"#;

/// The page as it is when it has been loaded. `None` where there is no Chromium.
pub(crate) async fn dom(url: &str, profile: &std::path::Path) -> Option<String> {
    let mut chromium = Command::new("chromium");
    chromium.env("HOME", profile).args(FLAGS.split_whitespace());
    chromium.arg(format!("--user-data-dir={}", profile.display())).arg("--virtual-time-budget=5000").arg(url);
    chromium.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match within(60, chromium.output()).await {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip();
            None
        }
        Err(error) => panic!("chromium: {error}"),
    }
}

/// Says loudly that a test was not made, past the test runner's capture.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
fn skip() {
    eprintln!("SKIPPED browser: chromium is not installed");
}

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
    let profile = tempdir().unwrap();
    let base = format!("http://{}", site.gateway.address());
    for path in ["/settings/profile", "/users/john.doe"] {
        let Some(page) = dom(&format!("{base}{path}"), profile.path()).await else { return };
        let expected = format!("<p id=\"app\">{path} 404 rgb(1, 2, 3)</p>");
        assert!(page.contains(&expected), "script, style and shell were loaded: {page}");
    }
    let log = site.gateway.stop().await;
    let asked = |uri: &str| log.iter().filter(|line| line["uri"] == uri).count();
    assert_eq!((asked("/settings/profile"), asked("/users/john.doe")), (1, 1));
    assert_eq!(asked("/assets/index-BhX3a9_k.js"), 1, "kept, and not asked about: {log:#?}");
    assert_eq!(asked("/assets/style-D1xx9Qab.css"), 1, "kept, and not asked about: {log:#?}");
    assert_eq!(asked("/assets/missing.js"), 2, "a 404 is not kept");
}
