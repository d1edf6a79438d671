//! Who we say we are, where a server asks.

use super::{Trust, in_front_of};

#[tokio::test]
async fn a_certificate_is_shown_to_a_server_that_asks() {
    let (trust, clients) = (Trust::new(), Trust::new());
    let (certificate, key) = clients.authority.issue_client("headwall").write(clients.dir());
    let origin = trust.origin().require_client_certificate(&clients.authority).start().await;
    let tls = format!("tls: {{ {}, certificate: {certificate:?}, key: {key:?} }}", trust.ca());
    for protocol in ["http1", "http2"] {
        let gateway = in_front_of(&origin.url(), &format!("protocol: {protocol}, {tls}")).start().await;
        gateway.client().get("/").send().await.assert_status(200);
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.client_subject().as_deref(), Some("CN=headwall"), "{protocol}");
    }
}

#[tokio::test]
async fn a_server_that_wants_another_certificate_is_a_502_that_says_so() {
    let (trust, clients, others) = (Trust::new(), Trust::new(), Trust::new());
    let origin = trust.origin().require_client_certificate(&clients.authority).start().await;
    let (certificate, key) = others.authority.issue_client("stranger").write(others.dir());
    let rows = [
        (String::new(), "none is shown"),
        (format!("certificate: {certificate:?}, key: {key:?}"), "somebody else's is shown"),
    ];
    for (setting, row) in rows {
        let gateway =
            in_front_of(&origin.url(), &format!("tls: {{ {}, {setting} }}", trust.ca())).start().await;
        gateway.client().get("/").send().await.assert_status(502);
        gateway.client().websocket("/").refused().await.assert_status(502);
        assert_eq!(origin.hits(), 0, "{row}");
        let log = gateway.stop().await;
        let reasons: Vec<_> = log.iter().map(|line| line["reason"].as_str().unwrap_or_default()).collect();
        assert_eq!(reasons, ["upstream_tls_failed"; 2], "{row}");
    }
}
