//! Health checks of servers that speak TLS: what a request would meet, a check meets too.

use headwall_testkit::{Authority, Fixed, Gateway, Origin, eventually};
use http::Version;

use super::{Trust, by_name, in_front_of, process};

/// What the metrics say of the one server.
fn is_up(gateway: &Gateway, server: &str) -> Option<f64> {
    gateway.metric(&format!(r#"headwall_upstream_server_up{{server="{server}",upstream="app"}}"#))
}

#[tokio::test]
async fn a_check_verifies_what_a_request_would() {
    let trust = Trust::new();
    let other = Authority::new();
    for check in ["{}", "{ path: /health }"] {
        let rows = [
            (trust.authority.issue(&["127.0.0.1"]), "", true, "good"),
            (other.issue(&["127.0.0.1"]), "", false, "another authority"),
            (trust.authority.issue(&["app.internal"]), "", false, "another name"),
            (trust.authority.issue(&["app.internal"]), "server_name: app.internal", true, "that name"),
            (other.issue(&["app.internal"]), "insecure_skip_verify: true", true, "nobody looks"),
        ];
        for (identity, setting, up, row) in rows {
            for protocol in ["http1", "http2", "auto"] {
                let origin = Origin::builder().otherwise("hello").tls(&identity).start().await;
                let tls = format!("tls: {{ {}, {setting} }}", trust.ca());
                let settings = format!("protocol: {protocol}, health_check: {check}, {tls}");
                let gateway = in_front_of(&origin.url(), &settings).start().await;
                let expected = Some(if up { 1.0 } else { 0.0 });
                assert_eq!(is_up(&gateway, &origin.url()), expected, "{row}, {check}, {protocol}");
                let status = if up { 200 } else { 503 };
                gateway.client().get("/").send().await.assert_status(status);
            }
        }
    }
}

#[tokio::test]
async fn the_log_says_why_a_server_is_down() {
    let trust = Trust::new();
    for check in ["{}", "{ path: /health }"] {
        let origin =
            Origin::builder().otherwise("hello").tls(&Authority::new().issue(&["127.0.0.1"])).start().await;
        let settings = format!("health_check: {check}, tls: {{ {} }}", trust.ca());
        let mut server = process(&origin.url(), &settings);
        let line = server.hears("is down").await;
        let expected = format!("{} is down: invalid peer certificate: UnknownIssuer", origin.url());
        assert!(line.contains(&expected), "{line}");
    }
}

#[tokio::test]
async fn a_check_asks_for_the_host_whose_certificate_it_wants() {
    let trust = Trust::new();
    let identity = trust.authority.issue(&["127.0.0.1", "localhost", "app.internal"]);
    for (protocol, version) in [("http1", Version::HTTP_11), ("http2", Version::HTTP_2)] {
        let origin = Origin::builder().route("/health", Fixed::status(204)).tls(&identity).start().await;
        let address = origin.address().to_string();
        let named = format!("localhost:{}", origin.address().port());
        let rows = [
            (origin.url(), "", "", address.as_str(), "the address"),
            (by_name(&origin), "", "", named.as_str(), "the name"),
            (origin.url(), "server_name: app.internal", "", "app.internal", "the name that is verified"),
            (origin.url(), "server_name: app.internal", "host: health.test", "health.test", "what is said"),
        ];
        for (server, tls, check, host, row) in rows {
            let tls = format!("tls: {{ {}, {tls} }}", trust.ca());
            let settings = format!("protocol: {protocol}, health_check: {{ path: /health, {check} }}, {tls}");
            let gateway = in_front_of(&server, &settings).start().await;
            assert_eq!(is_up(&gateway, &server), Some(1.0), "{row}");
            let seen = origin.requests().pop().unwrap();
            assert_eq!((seen.version, seen.path()), (version, "/health"), "{row}");
            assert_eq!(seen.host(), Some(host), "{row}, {protocol}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_renewed_brings_its_server_back() {
    let trust = Trust::new();
    let expired = trust.authority.certificate(&["127.0.0.1"]).expired().issue();
    let origin = Origin::builder().otherwise("hello").tls(&expired).start().await;
    let settings = format!("health_check: {{ interval: 500ms, rise: 1 }}, tls: {{ {} }}", trust.ca());
    let gateway = in_front_of(&origin.url(), &settings).start().await;
    assert_eq!(is_up(&gateway, &origin.url()), Some(0.0));
    let (address, url) = (origin.address(), origin.url());
    origin.stop().await;
    let _origin = trust.origin().start_on(address).await;
    eventually(10, async || (is_up(&gateway, &url) == Some(1.0)).then_some(())).await;
    gateway.client().get("/").send().await.assert_status(200);
}
