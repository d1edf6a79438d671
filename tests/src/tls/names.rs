//! Which certificate a client is shown, by the name that it asks for.

use headwall_testkit::Gateway;

use super::{Issuer, LISTENERS, config, failures, site};

#[tokio::test]
async fn a_certificate_is_shown_with_what_is_between_it_and_the_root() {
    let issuer = Issuer::new();
    let identity = issuer.authority.certificate(&["app.example.com"]).through_intermediate().issue();
    let files = issuer.put("app", &identity);
    let gateway = Gateway::start(&config([site("app.example.com", &files)])).await;
    let reply = issuer.client(&gateway, "app.example.com").get("/").send().await;
    reply.assert_status(200).assert_text("app.example.com");
    let shown = &reply.handshake().chain;
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert_eq!(shown[0].serial(), identity.certificate().serial());
}

#[tokio::test]
async fn each_name_gets_the_certificate_that_is_for_it() {
    let issuer = Issuer::new();
    let issue = |names: &[&str]| issuer.authority.issue(names);
    let (one, wild, other) =
        (issue(&["one.example.com"]), issue(&["*.example.com"]), issue(&["other.test", "127.0.0.1"]));
    let several =
        format!("certificates: [{{ {} }}, {{ {} }}]", issuer.put("one", &one), issuer.put("wild", &wild));
    let yaml = format!(
        "{LISTENERS}sites:\n  - {{ hosts: [\"*.example.com\", one.example.com], tls: {{ {several} }}, routes: [{{ \
         respond: {{ body: example }} }}] }}\n  - {{ hosts: [other.test, 127.0.0.1], tls: {{ {} }}, routes: [{{ \
         respond: {{ body: other }} }}] }}\n",
        issuer.put("other", &other)
    );
    let gateway = Gateway::start(&yaml).await;
    let rows = [
        (Some("one.example.com"), &one, "example", "by its name"),
        (Some("two.example.com"), &wild, "example", "by a wildcard"),
        (Some("other.test"), &other, "other", "of another site"),
        (None, &other, "other", "by the address: who asks for one names nothing"),
    ];
    for (host, identity, body, row) in rows {
        let client = gateway.client().tls(&issuer.authority);
        let client = match host {
            Some(host) => client.server_name(host),
            None => client.host("127.0.0.1"),
        };
        let reply = client.get("/").send().await;
        assert_eq!(reply.handshake().serial(), identity.certificate().serial(), "{row}");
        reply.assert_status(200).assert_text(body);
    }
}

#[tokio::test]
async fn a_name_that_no_site_has_is_refused_by_name_and_counted() {
    let issuer = Issuer::new();
    let gateway =
        Gateway::start(&config([site("app.example.com", &issuer.files(&["app.example.com"]))])).await;
    let nowhere = issuer.client(&gateway, "nowhere.example.com");
    assert_eq!(nowhere.handshake().await.unwrap_err().alert().as_deref(), Some("UnrecognisedName"));
    assert_eq!(failures(&gateway, "unknown_name"), 1.0);
    let unnamed = gateway.client().tls(&issuer.authority);
    assert_eq!(unnamed.handshake().await.unwrap_err().alert().as_deref(), Some("UnrecognisedName"));
    assert_eq!(failures(&gateway, "unknown_name"), 2.0);
    issuer.client(&gateway, "app.example.com").get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn a_site_without_hosts_answers_for_every_other_name() {
    let issuer = Issuer::new();
    let (own, rest) =
        (issuer.authority.issue(&["own.test"]), issuer.authority.issue(&["rest.test", "127.0.0.1"]));
    let yaml = format!(
        "{}  - {{ tls: {{ {} }}, routes: [{{ respond: {{ body: rest }} }}] }}\n",
        config([site("own.test", &issuer.put("own", &own))]),
        issuer.put("rest", &rest)
    );
    let gateway = Gateway::start(&yaml).await;
    issuer.client(&gateway, "own.test").get("/").send().await.assert_text("own.test");
    issuer.client(&gateway, "rest.test").get("/").send().await.assert_text("rest");
    gateway.client().tls(&issuer.authority).get("/").send().await.assert_text("rest");
    let anyone = gateway.client().tls(headwall_testkit::Trust::anyone()).server_name("whoever.test");
    let reply = anyone.get("/").send().await;
    reply.assert_text("rest");
    assert_eq!(reply.handshake().serial(), rest.certificate().serial(), "a browser says for whom it is");
}

#[tokio::test]
async fn monitoring_sees_when_certificates_end() {
    let issuer = Issuer::new();
    let end = std::time::SystemTime::now() + std::time::Duration::from_secs(40 * 24 * 3600);
    let seconds = end.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let identity = issuer.authority.certificate(&["app.example.com"]).not_after(end).issue();
    let files = issuer.put("app", &identity);
    let gateway = Gateway::start(&config([site("app.example.com", &files)])).await;
    let label = issuer.path("app").join("fullchain.pem");
    let name = format!(
        "headwall_certificate_expiry_timestamp_seconds{{certificate=\"{}\",site=\"app.example.com\",source=\"file\"}}",
        label.display()
    );
    assert_eq!(gateway.metric(&name), Some(seconds as f64), "{name}");
    let told = &gateway.admin("/certificates").await.json()[0];
    assert_eq!((told["state"].as_str(), told["source"].as_str()), (Some("valid"), Some("file")), "{told:#}");
    assert_eq!(told["names"][0], "app.example.com", "{told:#}");
}
