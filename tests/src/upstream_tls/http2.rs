//! Which HTTP a server is spoken to in, and what HTTP/2 makes of requests and answers.

use headwall_testkit::{Echo, Fixed, Gate, Origin, WebSocketEcho};
use http::Version;

use super::{Trust, in_front_of, reason};

#[tokio::test]
async fn the_protocol_is_the_one_that_was_asked_for_or_agreed_on() {
    let trust = Trust::new();
    let settings = |protocol: &str, is_tls: bool| {
        let tls = if is_tls { format!(", tls: {{ {} }}", trust.ca()) } else { String::new() };
        format!("protocol: {protocol}{tls}")
    };
    let hello = || Origin::builder().otherwise("hello");
    let rows = [
        ("http1", trust.origin(), true, Version::HTTP_11, "TLS: HTTP/2 would be there too"),
        ("http2", trust.origin(), true, Version::HTTP_2, "TLS: it is there"),
        ("auto", trust.origin(), true, Version::HTTP_2, "TLS: the better one"),
        (
            "auto",
            trust.origin().alpn(&["http/1.1"]),
            true,
            Version::HTTP_11,
            "TLS: the server does not speak the other",
        ),
        ("auto", trust.origin().alpn(&[]), true, Version::HTTP_11, "TLS: the server knows no ALPN"),
        ("http1", hello(), false, Version::HTTP_11, "plain"),
        ("auto", hello(), false, Version::HTTP_11, "plain: nothing can be agreed on"),
        ("http2", hello().http2(), false, Version::HTTP_2, "plain: by prior knowledge"),
    ];
    for (protocol, origin, is_tls, expected, row) in rows {
        let origin = origin.start().await;
        let gateway = in_front_of(&origin.url(), &settings(protocol, is_tls)).start().await;
        for _ in 0..2 {
            gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
        }
        let versions: Vec<_> = origin.requests().iter().map(|seen| seen.version).collect();
        assert_eq!(versions, [expected; 2], "{protocol}, {row}");
        assert_eq!(origin.connections(), 1, "{protocol}, {row}: the connection is kept");
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_http2_is_not_spoken_to_when_nothing_else_may_be() {
    let trust = Trust::new();
    let origin = trust.origin().alpn(&["http/1.1"]).start().await;
    let gateway =
        in_front_of(&origin.url(), &format!("protocol: http2, tls: {{ {} }}", trust.ca())).start().await;
    gateway.client().get("/").send().await.assert_status(502);
    assert_eq!(origin.hits(), 0);
    assert_eq!(reason(gateway).await, "upstream_tls_failed");
}

#[tokio::test]
async fn many_requests_share_few_connections() {
    let trust = Trust::new();
    let gate = Gate::closed();
    let identity = trust.authority.issue(&["127.0.0.1"]);
    let origin =
        Origin::builder().route("/", "warm").route("/held", gate.then("held")).tls(&identity).start().await;
    let settings = format!("protocol: http2, tls: {{ {} }}", trust.ca());
    let gateway = in_front_of(&origin.url(), &settings).start().await;
    gateway.client().get("/").send().await.assert_status(200);
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(gateway.client().get("/held").send())).collect();
    gate.reached(100).await;
    // A request that comes while another is taking the connection out of the pool opens one more.
    assert!(origin.connections() <= 8, "{} connections", origin.connections());
    gate.open();
    for call in calls {
        call.await.unwrap().assert_status(200).assert_text("held");
    }
}

#[tokio::test]
async fn a_request_and_its_answer_are_the_same_in_both_protocols() {
    let trust = Trust::new();
    let answer = Fixed::status(201)
        .header("x-answer", "yes")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .body("answered");
    let identity = trust.authority.issue(&["127.0.0.1"]);
    let rows = [
        (
            Origin::builder().route("/drain", Echo).otherwise(answer.clone()).tls(&identity),
            format!(", tls: {{ {} }}", trust.ca()),
        ),
        (Origin::builder().route("/drain", Echo).otherwise(answer).http2(), String::new()),
    ];
    for (origin, tls) in rows {
        let origin = origin.start().await;
        let gateway = in_front_of(&origin.url(), &format!("protocol: http2{tls}")).start().await;
        let client = gateway.client().host("app.example.com:8080");
        let call = client.post("/path?query=1", "asked").header("connection", "x-hop").header("x-hop", "1");
        let reply = call.header("cookie", "c=3").send().await;
        reply.assert_status(201).assert_header("x-answer", "yes").assert_text("answered");
        assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);

        let seen = origin.requests().pop().unwrap();
        assert_eq!((seen.version, seen.method.as_str()), (Version::HTTP_2, "POST"));
        assert_eq!(seen.host(), Some("app.example.com:8080"));
        assert_eq!(seen.uri.path_and_query().unwrap().as_str(), "/path?query=1");
        assert_eq!(seen.header("x-forwarded-host"), Some("app.example.com:8080"));
        assert_eq!(seen.header("cookie"), Some("c=3"));
        for gone in ["connection", "x-hop", "transfer-encoding", "keep-alive"] {
            assert_eq!(seen.header(gone), None, "{gone} concerns one hop of HTTP/1.1");
        }
        client.head("/").send().await.assert_status(201).assert_text("");
        client.post("/drain", "asked").send().await.assert_status(200);
        let (feed, call) = client.post("/drain", "").streamed();
        let streamed = tokio::spawn(call.send());
        for piece in ["as", "ked"] {
            feed.send(piece).await.unwrap();
        }
        drop(feed);
        streamed.await.unwrap().assert_status(200);
        let seen = origin.requests().split_off(2);
        let bodies: Vec<_> = seen.iter().map(|seen| (seen.text(), seen.complete)).collect();
        assert_eq!(bodies, [("asked".to_owned(), true), ("asked".to_owned(), true)]);
    }
}

#[tokio::test]
async fn what_connection_names_in_an_answer_is_dropped_over_tls_too() {
    let trust = Trust::new();
    let answer = Fixed::status(200).header("connection", "x-hop").header("x-hop", "1").body("hello");
    let identity = trust.authority.issue(&["127.0.0.1"]);
    let origin = Origin::builder()
        .route("/drain", Echo)
        .otherwise(answer)
        .tls(&identity)
        .alpn(&["http/1.1"])
        .start()
        .await;
    let gateway =
        in_front_of(&origin.url(), &format!("protocol: auto, tls: {{ {} }}", trust.ca())).start().await;
    gateway.client().get("/").send().await.assert_status(200).assert_no_header("x-hop");
}

#[tokio::test]
async fn a_server_with_plain_http2_alone_takes_no_websockets() {
    let origin = Origin::builder().route("/ws", WebSocketEcho::new()).http2().start().await;
    let gateway = in_front_of(&origin.url(), "protocol: http2").start().await;
    gateway.client().websocket("/ws").refused().await.assert_status(502);
    assert_eq!(origin.hits(), 0, "the handshake was HTTP/1.1");
}
