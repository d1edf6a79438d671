//! Which server is believed to be the one that is meant.

use std::time::{Duration, Instant};

use headwall_testkit::{Authority, Identity, Origin, RawOrigin, WebSocketEcho, Wire};

use super::{Trust, by_name, in_front_of, process, reason};
use crate::errors::assert_error;

const UNREACHABLE: &str = "The server behind this address could not be reached.";

/// A server with this certificate.
async fn with(identity: &Identity) -> Origin {
    Origin::builder().otherwise("hello").tls(identity).start().await
}

#[tokio::test]
async fn a_server_is_believed_when_somebody_trusted_says_so_and_only_then() {
    let trust = Trust::new();
    let of = &trust.authority;
    let intermediate = of.certificate(&["127.0.0.1"]).through_intermediate();
    let rows: [(Identity, &str, &str, bool, &str); 11] = [
        (of.issue(&["127.0.0.1"]), "address", "", true, "an IP address in the certificate"),
        (of.issue(&["localhost"]), "name", "", true, "a name in the certificate"),
        (
            of.issue(&["*.apps.internal"]),
            "address",
            "server_name: app.apps.internal",
            true,
            "another name is asked for, and a wildcard takes it",
        ),
        (of.issue(&["localhost"]), "address", "", false, "the name is right, and was not asked for"),
        (of.issue(&["127.0.0.1"]), "name", "", false, "the address is right, and was not asked for"),
        (
            of.issue(&["127.0.0.1"]),
            "address",
            "server_name: app.internal",
            false,
            "another name is asked for",
        ),
        (of.certificate(&["127.0.0.1"]).expired().issue(), "address", "", false, "expired"),
        (of.certificate(&["127.0.0.1"]).not_yet_valid().issue(), "address", "", false, "not yet valid"),
        (intermediate.issue(), "address", "", true, "with the whole chain"),
        (
            of.certificate(&["127.0.0.1"]).through_intermediate().issue().without_chain(),
            "address",
            "",
            false,
            "half",
        ),
        (Authority::new().issue(&["127.0.0.1"]), "address", "", false, "another authority"),
    ];
    for (identity, asked_for, setting, believed, row) in rows {
        let origin = with(&identity).await;
        let server = if asked_for == "name" { by_name(&origin) } else { origin.url() };
        let gateway = in_front_of(&server, &format!("tls: {{ {}, {setting} }}", trust.ca())).start().await;
        let reply = gateway.client().get("/").send().await;
        if believed {
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "hello"), "{row}: {reply}");
            continue;
        }
        assert_eq!(reply.status, 502, "{row}: {reply}");
        assert_error(&reply, 502, UNREACHABLE);
        assert_eq!(origin.hits(), 0, "{row}: nothing was said to it");
        assert!(origin.connections() <= 2, "{row}: as many attempts as there may be");
        assert_eq!(reason(gateway).await, "upstream_tls_failed", "{row}");
    }
}

#[tokio::test]
async fn without_a_word_about_tls_the_systems_authorities_decide() {
    let origin = with(&Authority::new().issue(&["127.0.0.1"])).await;
    let gateway = in_front_of(&origin.url(), "").start().await;
    assert_error(&gateway.client().get("/").send().await, 502, UNREACHABLE);
    assert_eq!(reason(gateway).await, "upstream_tls_failed");
}

#[tokio::test]
async fn verification_can_be_done_without() {
    let origin = with(&Authority::new().certificate(&["other.internal"]).expired().issue()).await;
    let gateway = in_front_of(&origin.url(), "tls: { insecure_skip_verify: true }").start().await;
    gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
}

#[tokio::test]
async fn a_name_is_told_in_the_handshake_and_an_address_is_not() {
    let trust = Trust::new();
    let origin = with(&trust.authority.issue(&["127.0.0.1", "localhost", "app.internal"])).await;
    let rows = [
        (origin.url(), "", None, "an IP address (RFC 6066, 3)"),
        (by_name(&origin), "", Some("localhost"), "a name that was looked up"),
        (origin.url(), "server_name: app.internal", Some("app.internal"), "a name of its own"),
        (by_name(&origin), "server_name: app.internal", Some("app.internal"), "instead of the server's"),
    ];
    for (server, setting, expected, row) in rows {
        let gateway = in_front_of(&server, &format!("tls: {{ {}, {setting} }}", trust.ca())).start().await;
        gateway.client().get("/").host("app.example.com").send().await.assert_status(200);
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.server_name(), expected, "{row}");
        assert_eq!(seen.host(), Some("app.example.com"), "{row}: the client's host is another matter");
    }
}

#[tokio::test]
async fn the_log_says_what_is_wrong() {
    let trust = Trust::new();
    let of = &trust.authority;
    let with = |identity: Identity| Origin::builder().otherwise("hello").tls(&identity);
    let rows = [
        (
            with(of.certificate(&["127.0.0.1"]).expired().issue()),
            "invalid peer certificate: certificate expired",
        ),
        (
            with(of.certificate(&["127.0.0.1"]).not_yet_valid().issue()),
            "invalid peer certificate: certificate not valid yet",
        ),
        (
            with(of.issue(&["other.internal"])),
            "invalid peer certificate: certificate not valid for name \"127.0.0.1\"",
        ),
        (with(Authority::new().issue(&["127.0.0.1"])), "invalid peer certificate: UnknownIssuer"),
        (trust.origin().require_client_certificate(of), "received fatal alert: CertificateRequired"),
        (trust.origin().alpn(&["http/1.1"]), "received fatal alert: NoApplicationProtocol"),
    ];
    for (origin, expected) in rows {
        let origin = origin.start().await;
        let protocol = if expected.ends_with("Protocol") { "http2" } else { "http1" };
        let mut server = process(&origin.url(), &format!("protocol: {protocol}, tls: {{ {} }}", trust.ca()));
        server.hears(" is serving").await;
        server.client().get("/").send().await.assert_status(502);
        let line = server.hears("no TLS").await;
        let expected = format!("upstream app: {}: no TLS: {expected}", origin.address());
        assert!(line.contains(&expected), "{expected:?} is missing in: {line}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_believed_is_passed_over_for_one_that_can() {
    let trust = Trust::new();
    let (bad, good) = (with(&Authority::new().issue(&["127.0.0.1"])).await, trust.origin().start().await);
    let servers = format!("{}\", \"{}", bad.url(), good.url());
    let gateway = in_front_of(&servers, &format!("tls: {{ {} }}", trust.ca())).start().await;
    for _ in 0..4 {
        gateway.client().post("/", "body").send().await.assert_status(200).assert_text("hello");
    }
    assert_eq!((bad.hits(), good.hits()), (0, 4));
}

#[tokio::test]
async fn a_handshake_has_a_time_limit() {
    let origin = RawOrigin::start(async |mut wire: Wire| drop(wire.read_to_end().await)).await;
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app, retry: {{ attempts: 1 }}, timeouts: {{ connect: 300ms }} }} }}] }}]
        upstreams: {{ app: {{ servers: [\"https://{}\"] }} }}
        ",
        origin.address()
    );
    let gateway = headwall_testkit::Gateway::start(&yaml).await;
    let begun = Instant::now();
    let reply = gateway.client().get("/").send().await;
    assert_error(&reply, 504, "The server behind this address did not answer in time.");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!(reason(gateway).await, "upstream_connect_timeout");
}

#[tokio::test]
async fn a_websocket_goes_over_tls_too() {
    let trust = Trust::new();
    let identity = trust.authority.issue(&["127.0.0.1"]);
    for protocol in ["http1", "http2", "auto"] {
        let origin = Origin::builder().route("/ws", WebSocketEcho::new()).tls(&identity).start().await;
        let settings = format!("protocol: {protocol}, tls: {{ {} }}", trust.ca());
        let gateway = in_front_of(&origin.url(), &settings).start().await;
        let mut socket = gateway.client().websocket("/ws").open().await;
        socket.send("over TLS").await;
        assert_eq!(socket.text().await, "over TLS", "{protocol}");
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.tls.unwrap().alpn.as_deref(), Some("http/1.1"), "{protocol}: HTTP/1.1 is asked for");
    }
    let origin = with(&Authority::new().issue(&["127.0.0.1"])).await;
    let gateway = in_front_of(&origin.url(), &format!("tls: {{ {} }}", trust.ca())).start().await;
    gateway.client().websocket("/ws").refused().await.assert_status(502);
    assert_eq!(reason(gateway).await, "upstream_tls_failed");
}
