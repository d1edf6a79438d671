//! Headers on their way to the origin and back.

use headwall_testkit::{Echo, Fixed, Gateway, Origin, Seen};
use http::HeaderMap;

use super::in_front_of;

/// A gateway that takes the word of whoever connects to it.
async fn behind_a_trusted_proxy(origin: &Origin) -> Gateway {
    Gateway::config(
        r#"
        client: { trusted_proxies: ["127.0.0.0/8", "10.0.0.0/8"] }
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${APP}"] } }
        "#,
    )
    .variable("APP", origin.address())
    .start()
    .await
}

fn last(origin: &Origin) -> Seen {
    origin.requests().pop().unwrap_or_else(|| panic!("no request has reached the origin"))
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into()).collect()
}

/// What a client may say of itself, and what it has no right to.
const CLAIMS: [(&str, &str); 7] = [
    ("x-real-ip", "6.6.6.6"),
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-port", "1"),
    ("forwarded", "for=6.6.6.6;proto=https"),
    ("x-request-id", "chosen-by-the-client"),
];

#[tokio::test]
async fn the_clients_own_headers_and_host_go_through_as_they_are() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    gateway
        .client()
        .get("/")
        .host("app.test:8080")
        .header("accept", "a/b")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("cookie", "a=b")
        .header("authorization", "Bearer t")
        .send()
        .await
        .assert_status(200);
    let seen = last(&origin);
    assert_eq!(seen.header_values("host"), ["app.test:8080"], "the client's host, port included");
    assert_eq!(seen.header_values("accept"), ["a/b"]);
    assert_eq!(seen.header_values("x-twice"), ["1", "2"], "both lines, in order");
    assert_eq!(seen.header_values("cookie"), ["a=b"]);
    assert_eq!(seen.header_values("authorization"), ["Bearer t"]);
    assert_eq!(seen.header_values("user-agent"), [""; 0], "none is made up");
}

#[tokio::test]
async fn the_origin_learns_who_is_asking() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    gateway.client().get("/").host("app.test:8080").send().await;
    let seen = last(&origin);
    for (name, value) in [
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "app.test:8080"),
    ] {
        assert_eq!(seen.header_values(name), [value], "{name}");
    }
    let id = seen.header("x-request-id").unwrap().to_owned();
    assert_eq!(id.len(), 32, "128 bits in hexadecimal: {id}");
    let log = gateway.stop().await;
    assert_eq!(log[0]["request_id"], id, "the log has the same id");
}

#[tokio::test]
async fn what_an_untrusted_client_says_of_itself_is_replaced() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    let call = CLAIMS.iter().fold(gateway.client().get("/"), |call, (name, value)| call.header(name, value));
    call.header("x-forwarded-for", "7.7.7.7").host("app.test").send().await;
    let seen = last(&origin);
    assert_eq!(seen.header_values("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(seen.header_values("x-forwarded-for"), ["127.0.0.1"], "both lines are replaced by one");
    assert_eq!(seen.header_values("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.header_values("x-forwarded-host"), ["app.test"]);
    for gone in ["x-forwarded-port", "forwarded"] {
        assert_eq!(seen.header_values(gone), [""; 0], "{gone}");
    }
    assert_ne!(seen.header("x-request-id"), Some("chosen-by-the-client"));
    let log = gateway.stop().await;
    assert_eq!((&log[0]["client"], &log[0]["scheme"]), (&"127.0.0.1".into(), &"http".into()));
}

#[tokio::test]
async fn what_a_trusted_proxy_says_is_kept_and_appended_to() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = behind_a_trusted_proxy(&origin).await;
    gateway
        .client()
        .get("/")
        .host("app.test")
        .header("x-forwarded-for", "6.6.6.6, 198.51.100.1")
        .header("x-forwarded-for", "10.0.0.7")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "www.app.test")
        .header("x-request-id", "kept-42")
        .send()
        .await;
    let seen = last(&origin);
    for (name, value) in [
        ("x-forwarded-for", "6.6.6.6, 198.51.100.1, 10.0.0.7, 127.0.0.1"),
        ("x-real-ip", "198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "www.app.test"),
        ("x-request-id", "kept-42"),
    ] {
        assert_eq!(seen.header_values(name), [value], "{name}");
    }
    let log = gateway.stop().await;
    assert_eq!(log[0]["client"], "198.51.100.1", "the first hop from the right that is not trusted");
    assert_eq!((&log[0]["scheme"], &log[0]["request_id"]), (&"https".into(), &"kept-42".into()));
}

#[tokio::test]
async fn hop_by_hop_headers_of_a_request_end_here() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    gateway
        .client()
        .get("/")
        .header("connection", "keep-alive, X-Secret, te")
        .header("x-secret", "for the next hop only")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("te", "gzip")
        .header("trailer", "x-sum")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAAP__")
        .header("x-end-to-end", "kept")
        .send()
        .await
        .assert_status(200);
    let seen = last(&origin);
    for name in ["x-secret", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert_eq!(seen.header_values(name), [""; 0], "{name} is dropped");
    }
    let connection = seen.header_values("connection").join(",").to_lowercase();
    assert!(!connection.contains("x-secret") && !connection.contains("upgrade"), "connection: {connection}");
    assert_eq!(seen.header_values("x-end-to-end"), ["kept"]);
}

#[tokio::test]
async fn an_offer_of_h2c_is_not_passed_on() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    let reply = gateway
        .client()
        .get("/")
        .header("connection", "Upgrade, HTTP2-Settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAAP__")
        .send()
        .await;
    reply.assert_status(200);
    let seen = last(&origin);
    for name in ["upgrade", "http2-settings"] {
        assert_eq!(seen.header_values(name), [""; 0], "{name}");
    }
    assert!(!seen.header_values("connection").join(",").to_lowercase().contains("upgrade"));
}

#[tokio::test]
async fn hop_by_hop_headers_of_a_response_end_here() {
    let answer = Fixed::status(200)
        .header("connection", "keep-alive, x-secret")
        .header("x-secret", "for the next hop only")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("upgrade", "h2c")
        .header("x-end-to-end", "kept")
        .body("hello");
    let origin = Origin::builder().otherwise(answer).start().await;
    let gateway = in_front_of(origin.address()).await;
    let reply = gateway.client().get("/").send().await;
    reply.assert_status(200).assert_text("hello").assert_header("x-end-to-end", "kept");
    for name in ["x-secret", "keep-alive", "proxy-connection", "upgrade"] {
        reply.assert_no_header(name);
    }
}

#[tokio::test]
async fn the_origins_answer_comes_back_as_it_is() {
    let answer = Fixed::status(418)
        .header("server", "teapot/1.0")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .header("content-type", "text/x-tea")
        .header("cache-control", "no-store")
        .body("short and stout");
    let origin = Origin::builder().otherwise(answer).start().await;
    let gateway = in_front_of(origin.address()).await;
    let reply = gateway.client().get("/").send().await;
    reply
        .assert_status(418)
        .assert_header("server", "teapot/1.0")
        .assert_header("content-type", "text/x-tea")
        .assert_header("cache-control", "no-store")
        .assert_header("content-length", "15")
        .assert_text("short and stout");
    assert_eq!(values(&reply.headers, "set-cookie"), ["a=1", "b=2"], "both cookies, in order");
    for made_up in ["via", "x-request-id", "x-powered-by"] {
        reply.assert_no_header(made_up);
    }
}

#[tokio::test]
async fn forwarded_is_for_those_who_ask_for_it() {
    let origin = Origin::fixed("here").await;
    for (client, expected) in
        [("{}", None), ("{ forwarded: true }", Some("for=127.0.0.1;host=\"app.example.com\";proto=http"))]
    {
        let yaml = format!(
            "client: {client}\nsites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]\nupstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}"
        );
        let gateway = Gateway::config(&yaml).variable("APP", origin.address()).start().await;
        let call = gateway.client().host("app.example.com").get("/").header("forwarded", "for=6.6.6.6");
        call.send().await.assert_status(200);
        let seen = origin.requests().pop().expect("the request");
        assert_eq!(seen.header("forwarded"), expected, "{client}");
    }
}

#[tokio::test]
async fn somebody_elses_server_is_not_told_who_asks() {
    let origin = Origin::fixed("here").await;
    let gateway = Gateway::config(
        "
        sites: [{ routes: [{ api: { upstream: app, forward_headers: false } }] }]
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let call =
        gateway.client().get("/").header("x-forwarded-for", "6.6.6.6").header("forwarded", "for=6.6.6.6");
    call.send().await.assert_status(200);
    let seen = origin.requests().pop().expect("the request");
    let telling = [
        "x-real-ip",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "forwarded",
        "x-request-id",
    ];
    for name in telling {
        assert_eq!(seen.header(name), None, "{name}");
    }
}
