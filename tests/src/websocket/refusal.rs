//! Handshakes that do not become tunnels.

use headwall_testkit::{
    Client, Failed, Gateway, Origin, RawOrigin, Reply, WebSocketEcho, Wire, deaf_address,
};

use super::{ACCEPTED, HANDSHAKE, tunnel_to};

/// What an operator's log calls it, for the only request of a gateway.
async fn reason(gateway: Gateway) -> String {
    let log = gateway.stop().await;
    log[0]["reason"].as_str().unwrap_or("none").to_owned()
}

fn assert_json_error(reply: &Reply, what: &str) {
    reply.assert_header("content-type", "application/json");
    assert!(reply.json()["error"].is_string(), "{what}: {reply}");
}

#[tokio::test]
async fn a_refusal_of_the_origin_is_passed_on_and_the_connections_stay_usable() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        for answer in [
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nx-why: sized\r\n\r\nno",
            "HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n3\r\nno,\r\n3\r\n no\r\n0\r\n\r\n",
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: x-hop\r\nx-hop: 1\r\nwww-authenticate: Basic\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ] {
            wire.read_head().await;
            wire.write(answer).await;
        }
        wire.read_head().await;
        wire.write(ACCEPTED).await;
        let heard = wire.read_until("!").await;
        wire.write(heard).await;
        wire.read_to_end().await;
    })
    .await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;

    client.write(HANDSHAKE).await;
    let head = client.read_head().await.to_lowercase();
    assert!(head.starts_with("http/1.1 403 ") && head.contains("\r\nx-why: sized\r\n"), "{head}");
    assert_eq!(client.read_exactly(2).await, "no");

    client.write(HANDSHAKE).await;
    let head = client.read_head().await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 403 ") && head.contains("\r\ntransfer-encoding: chunked\r\n"),
        "{head}"
    );
    assert_eq!(client.read_until("0\r\n\r\n").await.replace("\r\n", "|"), "3|no,|3| no|0||");

    client.write(HANDSHAKE).await;
    let head = client.read_head().await.to_lowercase();
    assert!(head.starts_with("http/1.1 401 ") && head.contains("\r\nwww-authenticate: basic\r\n"), "{head}");
    assert!(!head.contains("x-hop"), "what was for one hop only stays there: {head}");

    client.write(HANDSHAKE).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 204 "), "without a body");

    client.write("GET /ws HTTP/1.1\r\nhost: a.test\r\naccept: application/json\r\n\r\n").await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 426 "), "an ordinary request in between");
    client.read_until("}").await;

    client.write(HANDSHAKE).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 101 "), "accepted at last");
    client.write("tunnel!").await;
    assert_eq!(client.read_exactly(7).await, "tunnel!");
    assert_eq!(origin.connections(), 1, "refusals kept the connection to the origin too");
}

#[tokio::test]
async fn a_refusal_that_breaks_off_does_not_look_whole() {
    let rows = [
        ("sized", "HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\n\r\nhalf"),
        ("chunked", "HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ];
    for (what, answer) in rows {
        let origin = RawOrigin::start(move |mut wire: Wire| async move {
            wire.read_head().await;
            wire.write(answer).await;
        })
        .await;
        let gateway = tunnel_to(origin.address()).start().await;
        let call = handshake(&gateway.client()).header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let failed = call.try_send().await.expect_err(what);
        // How much of it has come is a matter of buffers; that it is not all of it is not.
        let broken = matches!(failed, Failed::BrokenOff { .. } | Failed::NoReply { .. });
        assert!(broken, "{what}: {failed}");
    }
}

#[tokio::test]
async fn a_101_that_accepts_another_handshake_is_a_502() {
    let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let rows = [
        ("another key's", ACCEPTED.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        ("no accept header", ACCEPTED.replace(accept, "")),
        ("another protocol", ACCEPTED.replace("upgrade: websocket", "upgrade: h2c")),
        ("no connection header", ACCEPTED.replace("connection: Upgrade\r\n", "")),
    ];
    for (what, answer) in rows {
        let origin = RawOrigin::start(move |mut wire: Wire| {
            let answer = answer.clone();
            async move {
                wire.read_head().await;
                wire.write(answer).await;
                wire.read_to_end().await;
            }
        })
        .await;
        let gateway = tunnel_to(origin.address()).start().await;
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let reply = handshake(&gateway.client()).header(key.0, key.1).send().await;
        assert_eq!(reply.status, 502, "{what}: {reply}");
        assert_json_error(&reply, what);
        assert_eq!(reason(gateway).await, "upstream_invalid_response", "{what}");
    }
}

/// A handshake without its key.
fn handshake(client: &Client) -> headwall_testkit::Call {
    let call = client.get("/ws").header("connection", "Upgrade").header("upgrade", "websocket");
    call.header("sec-websocket-version", "13")
}

#[tokio::test]
async fn a_malformed_handshake_is_a_400_and_the_origin_is_not_asked() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let gateway = tunnel_to(origin.address()).start().await;
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let rows = [
        ("not GET", HANDSHAKE.replace("GET", "POST")),
        ("HTTP/1.0", HANDSHAKE.replace("HTTP/1.1", "HTTP/1.0")),
        ("no connection header", HANDSHAKE.replace("connection: Upgrade\r\n", "")),
        ("connection without upgrade", HANDSHAKE.replace("connection: Upgrade", "connection: keep-alive")),
        ("no key", HANDSHAKE.replace(key, "")),
        ("two keys", HANDSHAKE.replace(key, &(key.to_owned() + key))),
        ("a short key", HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=")),
        ("no base64", HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ!!")),
        ("version 8", HANDSHAKE.replace("version: 13", "version: 8")),
        ("no version", HANDSHAKE.replace("sec-websocket-version: 13\r\n", "")),
        ("a body", HANDSHAKE.replace("\r\n\r\n", "\r\ncontent-length: 4\r\n\r\nbody")),
    ];
    for (what, request) in rows {
        let mut client = Wire::connect(gateway.address()).await;
        client.write(request).await;
        let head = client.read_head().await;
        assert!(head.contains(" 400 "), "{what}: {head}");
    }
    assert_eq!(origin.hits(), 0);
}

#[tokio::test]
async fn a_websocket_route_speaks_only_websocket() {
    let origin = Origin::fixed("a page").await;
    let gateway = tunnel_to(origin.address()).start().await;
    let client = gateway.client();
    for (what, call) in [
        ("a plain request", client.get("/ws")),
        ("another upgrade", client.get("/ws").header("connection", "Upgrade").header("upgrade", "h2c")),
        ("a form", client.post("/ws", "a=1")),
    ] {
        let reply = call.send().await;
        assert_eq!(reply.status, 426, "{what}: {reply}");
        reply.assert_header("upgrade", "websocket");
        assert_json_error(&reply, what);
    }
    assert_eq!(origin.hits(), 0);
}

#[tokio::test]
async fn an_api_route_tunnels_only_when_it_says_so() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let gateway = Gateway::config(
        "
        sites:
          - routes:
              - { match: { path_prefix: /plain }, api: { upstream: app } }
              - { match: { path_prefix: /live }, api: { upstream: app, strip_prefix: /live, websocket: {} } }
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let client = gateway.client();
    let refused = client.websocket("/plain/ws").refused().await;
    refused.assert_status(403);
    assert_json_error(&refused, "a route without `websocket:`");
    assert_eq!(origin.hits(), 0, "and the origin is not asked");

    let mut socket = client.websocket("/live/ws").open().await;
    socket.send("hello").await;
    assert_eq!(socket.text().await, "hello");
    assert_eq!(origin.requests()[0].path(), "/ws", "the prefix is stripped for a tunnel too");
    client
        .get("/live/ws")
        .send()
        .await
        .assert_status(400)
        .assert_header("content-type", "text/plain; charset=utf-8");
    assert_eq!(origin.hits(), 2, "other requests of the same route are forwarded as ever");
    drop(socket);
    let log = gateway.stop().await;
    assert_eq!(log[0]["reason"], "websocket_not_allowed");
}

#[tokio::test]
async fn an_origin_that_does_not_answer_is_told_from_one_that_is_not_there() {
    let gone = tunnel_to(deaf_address()).start().await;
    let reply = gone.client().websocket("/ws").refused().await;
    reply.assert_status(502);
    assert_json_error(&reply, "nobody is there");
    assert_eq!(reason(gone).await, "upstream_connect_refused");

    let hangs_up = RawOrigin::start(async |mut wire: Wire| drop(wire.read_head().await)).await;
    let gateway = tunnel_to(hangs_up.address()).start().await;
    gateway.client().websocket("/ws").refused().await.assert_status(502);
    assert_eq!(reason(gateway).await, "upstream_closed");

    let silent = RawOrigin::silent().await;
    let gateway = Gateway::config(
        "
        sites: [{ routes: [{ websocket: { upstream: app, timeouts: { first_byte: 300ms, read: 300ms } } }] }]
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", silent.address())
    .start()
    .await;
    gateway.client().websocket("/ws").refused().await.assert_status(504);
    assert_eq!(reason(gateway).await, "upstream_read_timeout");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_passed_over() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let gateway = Gateway::config(
        "
        sites: [{ routes: [{ websocket: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${GONE}\", \"${APP}\"] } }
        ",
    )
    .variable("GONE", deaf_address())
    .variable("APP", origin.address())
    .start()
    .await;
    let mut socket = gateway.client().websocket("/ws").open().await;
    socket.send("hello").await;
    assert_eq!(socket.text().await, "hello");
}

#[tokio::test]
async fn a_client_that_leaves_during_the_handshake_harms_nobody() {
    let origin = Origin::builder().otherwise(WebSocketEcho::new()).start().await;
    let gateway = tunnel_to(origin.address()).start().await;
    for _ in 0..20 {
        let mut client = Wire::connect(gateway.address()).await;
        client.write(HANDSHAKE).await;
        client.reset();
    }
    let mut socket = gateway.client().websocket("/ws").open().await;
    socket.send("still there").await;
    assert_eq!(socket.text().await, "still there");
}
