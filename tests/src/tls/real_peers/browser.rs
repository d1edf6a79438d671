//! A browser in front: the demo app's page over HTTP/2, and its WebSocket.

use headwall_testkit::eventually;
use serde_json::Value;
use tempfile::tempdir;
use tokio::process::Command;

use super::super::process;
use super::{run, skip, text};
use crate::command_line::process::Process;

/// Chromium without a screen, a sandbox or a word to anybody outside.
const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --disable-dev-shm-usage --no-default-browser-check \
    --remote-debugging-port=0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_loads_the_demo_over_http2_and_opens_its_websocket() {
    let mut demo = Process::start(&["demo", "127.0.0.1:0"], tempdir().unwrap());
    demo.hears("the demo app is at").await;
    let storage = tempdir().unwrap();
    let headwall = process(&format!(
        "listeners: [{{ address: \"127.0.0.1:0\", tls: true }}]\nstorage: {}\nsites:\n  - hosts: [localhost]\n    tls: internal\n    \
         filters: [{{ security_headers: {{}} }}]\n    routes:\n      - {{ match: {{ path: /ws }}, websocket: {{ upstream: demo }} \
         }}\n      - {{ api: {{ upstream: demo }} }}\nupstreams: {{ demo: {{ servers: [\"{}\"] }} }}\n",
        storage.path().display(),
        demo.said("the demo app is at http://")
    ))
    .await;
    let url = format!("https://localhost:{}/", headwall.address().port());
    let profile = tempdir().unwrap();
    // Chromium believes what stands in the database of its user. No mistake of ours is to be overlooked.
    let database = profile.path().join(".pki/nssdb");
    std::fs::create_dir_all(&database).unwrap();
    let (database, root) = (format!("sql:{}", database.display()), storage.path().join("local/root.pem"));
    let Some(made) = run("certutil", &["-d", &database, "-N", "--empty-password"], 10).await else { return };
    assert!(made.status.success(), "{}", text(&made));
    let root = root.display().to_string();
    let add = ["-d", &database, "-A", "-t", "C,,", "-n", "headwall", "-i", &root];
    let added = run("certutil", &add, 10).await.unwrap();
    assert!(added.status.success(), "{}", text(&added));
    let mut chromium = Command::new("chromium");
    chromium.env("HOME", profile.path());
    chromium.args(FLAGS.split_whitespace()).arg(format!("--user-data-dir={}", profile.path().display()));
    chromium
        .arg(&url)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true);
    let mut chromium = match chromium.spawn() {
        Ok(chromium) => chromium,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return skip("chromium"),
        Err(error) => panic!("chromium: {error}"),
    };
    let loaded = |line: &Value| line["uri"] == "/" && line["status"] == 200;
    let page = eventually(60, async || headwall.log().into_iter().find(loaded)).await;
    assert_eq!(
        (page["protocol"].as_str(), page["tls_version"].as_str()),
        (Some("HTTP/2.0"), Some("TLSv1.3")),
        "{page:#}"
    );
    let metrics = async || headwall.admin("/metrics").await.text();
    // The line of a tunnel is written when it ends.
    let opened = async || {
        let metrics = metrics().await;
        metrics
            .lines()
            .any(|line| line.starts_with("headwall_websockets_opened_total") && line.ends_with(" 1"))
            .then_some(())
    };
    eventually(60, opened).await;
    drop(chromium.kill().await);
    let tunnelled = |line: &Value| line["status"] == 101;
    let tunnel = eventually(10, async || headwall.log().into_iter().find(tunnelled)).await;
    assert_eq!(
        (tunnel["scheme"].as_str(), tunnel["uri"].as_str()),
        (Some("https"), Some("/ws")),
        "{tunnel:#}"
    );
    assert!(tunnel["tls_version"].is_string(), "{tunnel:#}");
}
