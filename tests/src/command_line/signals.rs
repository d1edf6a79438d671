//! Signals to a running server.

use headwall_testkit::{RawOrigin, eventually};

use super::process::Process;

const HELLO: &str = "sites: [{ routes: [{ respond: { body: hello } }] }]";

#[tokio::test]
async fn a_server_stops_as_it_was_asked_to() {
    for signal in ["TERM", "INT", "QUIT"] {
        let mut server = Process::serving(HELLO).await;
        server.client().get("/").send().await.assert_text("hello");
        server.signal(signal).await;
        assert_eq!(server.ended().await, Some(0), "{signal}");
        assert_eq!(server.log().len(), 1, "{signal}: what was served is in the log");
    }
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let origin = RawOrigin::silent().await;
    let yaml = format!(
        "shutdown: {{ timeout: 1h }}\nsites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]\n\
         upstreams: {{ app: {{ servers: [\"{}\"] }} }}",
        origin.address()
    );
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let mut server = Process::serving(&yaml).await;
        let before = origin.connections();
        let stuck = tokio::spawn(server.client().get("/").try_send());
        origin.reached(before + 1).await;
        server.signal(first).await;
        server.hears("draining 1 connections").await;
        server.signal(second).await;
        assert_eq!(server.ended().await, Some(2), "{first}, {second}");
        stuck.await.unwrap().expect_err("the request was cut");
    }
}

#[tokio::test]
async fn signals_that_are_no_order_to_stop_do_not_hurry_a_stop() {
    let origin = RawOrigin::silent().await;
    let yaml = format!(
        "shutdown: {{ timeout: 1s }}\nsites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]\n\
         upstreams: {{ app: {{ servers: [\"{}\"] }} }}",
        origin.address()
    );
    let mut server = Process::serving(&yaml).await;
    let stuck = tokio::spawn(server.client().get("/").try_send());
    origin.reached(1).await;
    server.signal("TERM").await;
    server.hears("draining 1 connections").await;
    server.signal("HUP").await;
    server.signal("USR1").await;
    assert_eq!(server.ended().await, Some(0));
    stuck.await.unwrap().expect_err("the request was cut");
}

#[tokio::test]
async fn hup_reloads_a_good_config_and_says_why_it_does_not_reload_a_bad_one() {
    let mut server = Process::serving(HELLO).await;
    let client = server.client();

    server.rewrite("sites: [{ routes: [{ respond: { body: two } }] }]");
    server.signal("HUP").await;
    server.hears("the config was reloaded").await;
    client.get("/").send().await.assert_text("two");

    server.rewrite("sites: [{ routes: [{ respond: { bodi: three } }] }]");
    server.signal("HUP").await;
    server.hears("was not reloaded and nothing has changed").await;
    server.hears("unknown key `bodi`").await;
    server.hears("headwall.yaml:5:33").await;
    server.hears("did you mean `body`?").await;
    client.get("/").send().await.assert_text("two");

    std::fs::remove_file(server.path("headwall.yaml")).unwrap();
    server.signal("HUP").await;
    server.hears("cannot read headwall.yaml").await;
    client.get("/").send().await.assert_text("two");

    let metrics = server.admin("/metrics").await.text();
    for line in [
        r#"headwall_config_reloads_total{result="succeeded"} 1"#,
        r#"headwall_config_reloads_total{result="failed"} 2"#,
        "headwall_config_last_reload_successful 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in:\n{metrics}");
    }

    server.rewrite("sites: [{ routes: [{ respond: { body: four } }] }]");
    server.signal("HUP").await;
    server.hears("the config was reloaded").await;
    client.get("/").send().await.assert_text("four");
}

#[tokio::test]
async fn usr1_opens_the_access_log_again() {
    let server = Process::serving(HELLO).await;
    let written = |path: &str| std::fs::read_to_string(server.path(path)).unwrap_or_default();
    server.client().get("/before").send().await;
    eventually(5, async || written("access.log").contains("/before").then_some(())).await;

    std::fs::rename(server.path("access.log"), server.path("access.log.1")).unwrap();
    server.client().get("/between").send().await;
    eventually(5, async || written("access.log.1").contains("/between").then_some(())).await;

    server.signal("USR1").await;
    eventually(5, async || server.path("access.log").exists().then_some(())).await;
    server.client().get("/after").send().await;
    eventually(5, async || written("access.log").contains("/after").then_some(())).await;
    assert!(!written("access.log.1").contains("/after"));
}
