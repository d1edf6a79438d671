//! Requests on a connection that was opened for another site.

use headwall_testkit::{Client, Gateway};

use super::{Issuer, LISTENERS, config, site};

/// A connection over each version of HTTP.
async fn both(client: Client) -> [(&'static str, Client); 2] {
    [("HTTP/1.1", client.clone().keep().await), ("HTTP/2", client.http2().keep().await)]
}

#[tokio::test]
async fn a_host_of_another_site_is_misdirected_and_of_the_same_site_is_not() {
    let issuer = Issuer::new();
    let wide = issuer.files(&["one.test", "also-one.test", "two.test", "nobody.test"]);
    let yaml = format!(
        "{LISTENERS}sites:\n  - {{ hosts: [one.test, also-one.test], tls: {{ {wide} }}, routes: [{{ respond: {{ body: one \
         }} }}] }}\n  - {{ hosts: [two.test], tls: {{ {wide} }}, routes: [{{ respond: {{ body: two }} }}] }}\n  - {{ hosts: \
         [plain.test], routes: [{{ respond: {{ body: plain }} }}] }}\n"
    );
    let gateway = Gateway::start(&yaml).await;
    for (version, client) in both(issuer.client(&gateway, "one.test")).await {
        for (host, status, row) in [
            ("one.test", 200, "its own"),
            ("also-one.test", 200, "another one of the site"),
            ("ONE.test:443", 200, "its own with a port"),
            ("two.test", 421, "of another site"),
            ("plain.test", 421, "of a site without TLS"),
            ("nobody.test", 421, "of no site"),
            ("one.test", 200, "the connection goes on"),
        ] {
            let reply = client.get("/").host(host).send().await;
            assert_eq!(reply.status.as_u16(), status, "{version}, {row}: {reply}");
            if status == 421 {
                assert!(reply.json()["error"].is_string(), "{version}: {reply}");
            } else {
                reply.assert_text("one");
            }
        }
    }
    let log = gateway.stop().await;
    let misdirected: Vec<_> = log.iter().filter(|line| line["status"] == 421).collect();
    assert_eq!(misdirected.len(), 6);
    assert!(misdirected.iter().all(|line| line["reason"] == "misdirected_request"), "{misdirected:#?}");
}

#[tokio::test]
async fn what_wants_client_certificates_is_not_reached_through_what_does_not() {
    let issuer = Issuer::new();
    let wide = issuer.files(&["open.test", "closed.test"]);
    let ca = issuer.path("ca.pem");
    let closed = format!("{wide}, client_auth: {{ ca: \"{}\" }}", ca.display());
    let gateway = Gateway::start(&config([site("open.test", &wide), site("closed.test", &closed)])).await;
    for (version, client) in both(issuer.client(&gateway, "open.test")).await {
        client.get("/").send().await.assert_text("open.test");
        let reply = client.get("/").host("closed.test").send().await;
        assert_eq!(reply.status, 421, "{version}: {reply}");
        assert!(!reply.text().contains("closed.test"), "{version}: {reply}");
    }
    let counted =
        "headwall_local_replies_total{reason=\"misdirected_request\",route=\"_unmatched\",site=\"_none\"}";
    assert_eq!(gateway.metric(counted), Some(2.0));

    let named = issuer.client(&gateway, "closed.test").identity(&issuer.authority.issue_client("alice"));
    named.get("/").send().await.assert_text("closed.test");
}
