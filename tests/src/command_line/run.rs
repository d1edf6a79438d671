//! `headwall run`: what stops it from starting, and what it says when it has.

use super::process::{Process, dir_with, headwall};

#[tokio::test]
async fn a_server_says_where_it_listens_and_serves() {
    let server = Process::serving("sites: [{ routes: [{ respond: { body: hello } }] }]").await;
    server.client().get("/").send().await.assert_status(200).assert_text("hello");
    server.admin("/readyz").await.assert_status(200);
    let metrics = server.admin("/metrics").await.text();
    assert!(metrics.contains("headwall_build_info{version="), "{metrics}");
}

#[tokio::test]
async fn a_taken_port_is_an_error_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for yaml in [
        format!("listeners: [{{ address: \"{address}\" }}]\nadmin: {{ enabled: false }}\n"),
        format!("listeners: [{{ address: \"127.0.0.1:0\" }}]\nadmin: {{ address: \"{address}\" }}\n"),
    ] {
        let dir = dir_with("taken.yaml", &(yaml + "sites: [{ routes: [{ respond: { body: hello } }] }]"));
        let refused = headwall(dir.path(), &["run", "--config", "taken.yaml"]).await;
        assert_eq!(refused.code, Some(1), "{}", refused.err);
        let why = format!("error: cannot listen on {address}: another process is listening there already\n");
        assert!(refused.err.ends_with(&why), "{}", refused.err);
    }
}

#[tokio::test]
async fn a_config_that_is_wrong_or_missing_is_an_error_at_the_start() {
    let dir = dir_with("bad.yaml", "sites:\n  - routes: [{ responf: { body: hello } }]\n");
    let refused = headwall(dir.path(), &["run", "--config", "bad.yaml"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("bad.yaml:2:16") && refused.err.contains("`respond`"), "{}", refused.err);

    let refused = headwall(dir.path(), &["run", "--config", "missing.yaml"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("cannot read missing.yaml: "), "{}", refused.err);

    let refused = headwall(dir.path(), &["run"]).await;
    assert!(refused.err.contains("cannot read headwall.yaml: "), "the default: {}", refused.err);
}

#[tokio::test]
async fn an_access_log_that_cannot_be_written_is_an_error_at_the_start() {
    let yaml = "listeners: [{ address: \"127.0.0.1:0\" }]\nadmin: { enabled: false }\n\
        access_log: { output: no/such/directory/access.log }\n\
        sites: [{ routes: [{ respond: { body: hello } }] }]";
    let dir = dir_with("log.yaml", yaml);
    let refused = headwall(dir.path(), &["run", "--config", "log.yaml"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("error: the access log cannot be opened: "), "{}", refused.err);
}
