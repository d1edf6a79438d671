//! Configs that are not put to work.

use headwall_testkit::{Fixed, Gateway, Origin};

use super::reloads;

const GOOD: &str = "sites: [{ routes: [{ respond: { body: good } }] }]";

/// A gateway that runs [`GOOD`], and the error when it is told to change to `yaml`.
async fn refused(yaml: &str) -> (Gateway, String) {
    let mut gateway = Gateway::start(GOOD).await;
    let Err(error) = gateway.reload(yaml).await else { panic!("this config was put to work:\n{yaml}") };
    gateway.client().get("/").send().await.assert_status(200).assert_text("good");
    (gateway, error.to_string())
}

#[tokio::test]
async fn every_mistake_is_named_with_its_place_and_nothing_changes() {
    let yaml = "\
sites:
  - routes:
      - respond: { body: new, statu: 200 }
      - match: { path: /api }
        api: { upstream: nobody }
";
    let (gateway, error) = refused(yaml).await;
    // The testkit puts five lines of its own in front.
    for part in
        ["test.yaml:8:31", "`statu`", "did you mean `status`?", "test.yaml:10:26", "`nobody`", "^^^^^^"]
    {
        assert!(error.contains(part), "{part} is missing in:\n{error}");
    }
    gateway.client().get("/api").send().await.assert_text("good");
}

#[tokio::test]
async fn what_only_shows_when_modules_are_built_is_refused_too() {
    let yaml = "
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams:
          app: { servers: [\"https://127.0.0.1:1\"], tls: { ca: nowhere.pem } }
        ";
    let (gateway, error) = refused(yaml).await;
    assert!(error.contains("test.yaml:8:11") && error.contains("nowhere.pem: cannot be read"), "{error}");
    assert_eq!((reloads(&gateway, "failed"), reloads(&gateway, "succeeded")), (Some(1.0), Some(0.0)));
    assert_eq!(gateway.metric("headwall_config_last_reload_successful"), Some(0.0));
}

#[tokio::test]
async fn what_is_known_of_a_server_outlives_a_config_that_was_refused() {
    let origin = Origin::builder().otherwise(Fixed::status(500)).start().await;
    let config = |timeout: &str, more: &str| {
        format!(
            "
            sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
            upstreams:
              app: {{ servers: [\"${{APP}}\"], health_check: {{ path: /, interval: 1h, timeout: {timeout} }} }}
              {more}
            "
        )
    };
    let mut gateway = Gateway::config(&config("5s", "")).variable("APP", origin.address()).start().await;
    let up = format!(r#"headwall_upstream_server_up{{server="{}",upstream="app"}}"#, origin.address());
    assert_eq!(gateway.metric(&up), Some(0.0));
    let twice = "other: { servers: [\"127.0.0.1:1\", \"127.0.0.1:1\"] }";
    gateway.reload(&config("4s", twice)).await.unwrap_err();
    assert_eq!(gateway.metric(&up), Some(0.0), "it is still down");
    gateway.client().get("/").send().await.assert_status(503);
}

#[tokio::test]
async fn a_reload_that_succeeds_takes_the_failure_back() {
    let mut gateway = Gateway::start(GOOD).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let yaml = format!("listeners: [{{ address: \"{}\" }}]\n{GOOD}", taken.local_addr().unwrap());
    gateway.reload(&yaml).await.unwrap_err();
    assert_eq!(gateway.metric("headwall_config_last_reload_successful"), Some(0.0));
    gateway.reload(GOOD).await.unwrap();
    assert_eq!(gateway.metric("headwall_config_last_reload_successful"), Some(1.0));
    assert_eq!((reloads(&gateway, "failed"), reloads(&gateway, "succeeded")), (Some(1.0), Some(1.0)));
}

#[tokio::test]
async fn a_taken_port_refuses_all_of_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken_address, dir) = (taken.local_addr().unwrap(), tempfile::tempdir().unwrap());
    let free = dir.path().join("headwall.sock");
    let yaml = format!(
        "
        listeners: [{{ address: \"127.0.0.1:0\" }}, {{ address: \"unix:{}\" }}, {{ address: \"{taken_address}\" }}]
        sites: [{{ routes: [{{ respond: {{ body: new }} }}] }}]
        ",
        free.display()
    );
    let (gateway, error) = refused(&yaml).await;
    assert_eq!(
        error,
        format!("cannot listen on {taken_address}: another process is listening there already")
    );
    assert_eq!(gateway.addresses().len(), 1);
    assert!(!free.exists(), "what could be bound is let go of again");
}
