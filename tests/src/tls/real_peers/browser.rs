//! A browser in front: the demo's page over HTTP/2, and its WebSocket.

use headwall_testkit::eventually;
use serde_json::Value;
use tempfile::tempdir;

use super::super::process;
use super::{run, text};
use crate::chromium::Chromium;
use crate::files::demo::{demo, directory, says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_loads_the_demo_over_http2_and_opens_its_websocket() {
    let demo = demo().await;
    let storage = tempdir().unwrap();
    let headwall = process(&format!(
        "listeners: [{{ address: \"127.0.0.1:0\", tls: true }}]\nstorage: {}\nsites:\n  - hosts: [localhost]\n    tls: internal\n    \
         filters: [{{ security_headers: {{}} }}]\n    routes:\n      - {{ match: {{ path: /ws }}, websocket: {{ upstream: demo }} \
         }}\n      - {{ match: {{ path_prefix: /api }}, api: {{ upstream: demo }} }}\n      - spa: {{ root: \"{}\" }}\n\
         upstreams: {{ demo: {{ servers: [\"{}\"] }} }}\n",
        storage.path().display(),
        directory().display(),
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
    let Some(mut browser) = Chromium::start("tls::real_peers::browser", profile).await else { return };
    browser.goes_to(&url).await;
    for (card, state) in [("hello", "200 from the app"), ("socket", "open to the app")] {
        browser.until(&says(card, state)).await;
    }
    assert_eq!(browser.errors(), Vec::<String>::new(), "the console has no errors");
    let loaded = |line: &Value| line["uri"] == "/" && line["status"] == 200;
    let page = eventually(10, async || headwall.log().into_iter().find(loaded)).await;
    assert_eq!(
        (page["protocol"].as_str(), page["tls_version"].as_str()),
        (Some("HTTP/2.0"), Some("TLSv1.3")),
        "{page:#}"
    );
    // The line of a tunnel is written when it ends.
    drop(browser);
    let tunnelled = |line: &Value| line["status"] == 101;
    let tunnel = eventually(10, async || headwall.log().into_iter().find(tunnelled)).await;
    assert_eq!(
        (tunnel["scheme"].as_str(), tunnel["uri"].as_str()),
        (Some("https"), Some("/ws")),
        "{tunnel:#}"
    );
    assert!(tunnel["tls_version"].is_string(), "{tunnel:#}");
}
