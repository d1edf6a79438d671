//! The form of error replies: what the client asked for, with the headers of the site, readable while it is uploading.

use std::net::SocketAddr;

use headwall_testkit::{Client, Fixed, Gateway, Origin, Wire, deaf_address};

use crate::forwarding::in_front_of;

/// A site with a preset, and a route for each kind of error.
async fn start(refusing: SocketAddr) -> Gateway {
    Gateway::config(
        r#"
        sites:
          - name: site
            filters: [{ security_headers: {} }]
            routes:
              - match: { path: /bad-gateway }
                api: { upstream: down }
              - match: { path: /limited }
                filters: [{ rate_limit: { rate: 1r/m, key: { header: x-never } } }, { rate_limit: { rate: 1r/m } }]
                respond: { body: once }
              - match: { path: /post, methods: [POST] }
                respond: { body: posted }
              - match: { path: /refused }
                respond: { status: 403, body: "{}", content_type: application/json }
        upstreams: { down: { servers: ["${DOWN}"] } }
        "#,
    )
    .variable("DOWN", refusing)
    .start()
    .await
}

#[tokio::test]
async fn the_form_follows_accept() {
    let refusing = deaf_address();
    let gateway = start(refusing).await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let rows = [
        (None, "application/json", r#"{"error":"Nothing was found here."}"#),
        (Some("*/*"), "application/json", r#"{"error":"Nothing was found here."}"#),
        (Some("application/json"), "application/json", r#"{"error":"Nothing was found here."}"#),
        (
            Some("application/problem+json"),
            "application/problem+json",
            r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"Nothing was found here.","reason":"no_route"}"#,
        ),
        (Some(browser), "text/html; charset=utf-8", "<p>Nothing was found here.</p>"),
        (Some("image/png"), "application/json", r#"{"error":"Nothing was found here."}"#),
    ];
    for (accept, content_type, expected) in rows {
        let call = gateway.client().get("/nowhere");
        let call = if let Some(accept) = accept { call.header("accept", accept) } else { call };
        let reply = call.send().await;
        reply
            .assert_status(404)
            .assert_header("content-type", content_type)
            .assert_header("vary", "Accept")
            .assert_header("cache-control", "no-store");
        assert!(reply.text().contains(expected), "{accept:?}: {reply}");
    }
}

#[tokio::test]
async fn every_error_has_the_headers_of_its_site() {
    let refusing = deaf_address();
    let gateway = start(refusing).await;
    gateway.client().get("/limited").send().await.assert_status(200);
    for (path, status) in [("/nowhere", 404), ("/post", 405), ("/limited", 429), ("/bad-gateway", 502)] {
        let reply = gateway.client().get(path).send().await;
        reply
            .assert_status(status)
            .assert_header("x-frame-options", "SAMEORIGIN")
            .assert_header("x-content-type-options", "nosniff")
            .assert_no_header("server");
    }
}

/// RFC 9110, 9.3.2: the head of a GET and no body.
#[tokio::test]
async fn an_error_on_head_has_no_body() {
    let refusing = deaf_address();
    let gateway = start(refusing).await;
    for (path, status) in [("/nowhere", 404), ("/post", 405), ("/bad-gateway", 502)] {
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        let answer = wire.read_to_end().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(
            head.to_lowercase().contains("\r\ncontent-length: "),
            "the length that GET would have: {answer}"
        );
        assert_eq!(body, "", "{path}");
    }
}

/// Closing at once would have the client's kernel throw the reply away (RFC 9112, 9.6).
#[tokio::test]
async fn a_client_that_is_still_uploading_can_read_why_it_is_refused() {
    const MIB: usize = 1024 * 1024;
    let refusing = deaf_address();
    let gateway = start(refusing).await;
    for (path, status) in [("/refused", 403), ("/nowhere", 404), ("/bad-gateway", 502)] {
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 4 * MIB)).await;
        // More than the sockets hold: it only goes through when somebody reads it off.
        wire.try_write(vec![b'.'; 4 * MIB])
            .await
            .unwrap_or_else(|error| panic!("{path}: the upload was cut: {error}"));
        let head = wire.read_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
    }
}

#[tokio::test]
async fn an_origin_that_answers_early_is_heard_by_a_client_that_is_still_uploading() {
    let origin = Origin::builder().otherwise(Fixed::status(413).body("too much")).start().await;
    let gateway = in_front_of(origin.address()).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun").await;
    let head = wire.read_head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert_eq!(&wire.read_exactly(8).await[..], b"too much");
}

#[tokio::test]
async fn a_connection_goes_on_after_an_error() {
    let refusing = deaf_address();
    let gateway = start(refusing).await;
    let client = Client::connect(gateway.address()).await;
    client.get("/nowhere").send().await.assert_status(404);
    client.get("/post").send().await.assert_status(405);
    client.post("/post", "").send().await.assert_status(200).assert_text("posted");
    assert_eq!(gateway.metric("headwall_connections_accepted_total"), Some(1.0));
}

/// What of a body nobody has read may be long, so the connection ends with the answer, and the answer says so.
#[tokio::test]
async fn a_body_that_nobody_wants_ends_the_connection() {
    let refusing = deaf_address();
    let gateway = start(refusing).await;
    let client = Client::connect(gateway.address()).await;
    let reply = client.post("/nowhere", "a body").send().await;
    reply.assert_status(404).assert_header("connection", "close");
    client.closed().await;
}
