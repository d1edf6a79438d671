//! Servers that are told who the client is before anything else is said (the PROXY protocol).

use std::net::{Ipv4Addr, SocketAddr};

use headwall_testkit::{Client, Gateway, Origin, OriginBuilder, WebSocketEcho};
use tokio::net::TcpStream;

use super::{Trust, in_front_of};

/// A client with one connection, and where that comes from.
async fn client_of(gateway: &Gateway) -> (Client, SocketAddr) {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let address = stream.local_addr().unwrap();
    (Client::over(stream).await, address)
}

fn hello() -> OriginBuilder {
    Origin::builder().otherwise("hello")
}

#[tokio::test]
async fn the_server_learns_the_clients_address_before_anything_else() {
    let trust = Trust::new();
    let identity = trust.authority.issue(&["127.0.0.1"]);
    let ca = trust.ca();
    let servers = [
        (hello as fn() -> OriginBuilder, false, "protocol: http1"),
        (|| hello().http2(), false, "protocol: http2"),
        (hello, true, "protocol: http1"),
        (hello, true, "protocol: auto"),
    ];
    for (version, number) in [("v1", 1), ("v2", 2)] {
        for (made, is_tls, protocol) in servers {
            let row = format!("{version}, {protocol}, TLS: {is_tls}");
            let origin = if is_tls { made().tls(&identity) } else { made() };
            let origin = origin.expect_proxy_protocol().start().await;
            let tls = if is_tls { format!(", tls: {{ {ca} }}") } else { String::new() };
            let settings = format!("proxy_protocol: {version}, {protocol}{tls}");
            let gateway = in_front_of(&origin.url(), &settings).start().await;
            let (client, address) = client_of(&gateway).await;
            client.get("/").send().await.assert_status(200).assert_text("hello");
            let told = origin.requests().pop().unwrap().proxied.unwrap();
            assert_eq!(told.version, number, "{row}");
            assert_eq!(told.source, Some(address), "{row}");
            assert_eq!(told.destination, Some(gateway.address()), "{row}: where the client had gone");
        }
    }
}

#[tokio::test]
async fn a_connection_that_speaks_for_one_client_is_not_given_to_another() {
    for protocol in ["http1", "http2"] {
        let origin = hello().expect_proxy_protocol();
        let origin = if protocol == "http2" { origin.http2() } else { origin };
        let origin = origin.start().await;
        let settings = format!("proxy_protocol: v2, protocol: {protocol}");
        let gateway = in_front_of(&origin.url(), &settings).start().await;
        let (alice, bob) = (client_of(&gateway).await, client_of(&gateway).await);
        for (client, address) in [&alice, &bob, &alice, &bob] {
            client.get("/").send().await.assert_status(200);
            let told = origin.requests().pop().unwrap().proxied.unwrap();
            assert_eq!(told.source, Some(*address), "{protocol}");
        }
        let connections: Vec<_> = origin.requests().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [1, 2, 1, 2], "{protocol}: each client's own is kept for it");
    }
}

#[tokio::test]
async fn the_client_is_the_one_that_a_trusted_proxy_speaks_for() {
    let origin = hello().expect_proxy_protocol().start().await;
    let yaml = "
        client: { trusted_proxies: [\"127.0.0.0/8\"] }
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${APP}\"], proxy_protocol: v1 } }
        ";
    let gateway = Gateway::config(yaml).variable("APP", origin.address()).start().await;
    let (client, _) = client_of(&gateway).await;
    let rows = [
        ("203.0.113.7", "PROXY TCP4 203.0.113.7 127.0.0.1 0", "the port is nobody's to know"),
        ("203.0.113.8", "PROXY TCP4 203.0.113.8 127.0.0.1 0", "another client on the same connection"),
        ("2001:db8::7", "PROXY TCP6 2001:db8::7 ::ffff:127.0.0.1 0", "another family"),
    ];
    for (forwarded, expected, row) in rows {
        client.get("/").header("x-forwarded-for", forwarded).send().await.assert_status(200);
        let told = origin.requests().pop().unwrap().proxied.unwrap();
        let expected = format!("{expected} {}\r\n", gateway.address().port());
        assert_eq!(String::from_utf8_lossy(&told.header), expected, "{row}");
    }
    assert_eq!(origin.connections(), 3);
}

#[tokio::test]
async fn a_websocket_begins_like_that_too() {
    let origin = Origin::builder().route("/ws", WebSocketEcho::new()).expect_proxy_protocol().start().await;
    let gateway = in_front_of(&origin.url(), "proxy_protocol: v2").start().await;
    let (client, address) = client_of(&gateway).await;
    let mut socket = client.websocket("/ws").open().await;
    socket.send("told").await;
    assert_eq!(socket.text().await, "told");
    assert_eq!(origin.requests().pop().unwrap().proxied.unwrap().source, Some(address));
}

#[tokio::test]
async fn a_health_check_speaks_for_nobody() {
    let trust = Trust::new();
    for version in ["v1", "v2"] {
        for check in ["{}", "{ path: / }"] {
            let origin = trust.origin().expect_proxy_protocol().start().await;
            let settings =
                format!("proxy_protocol: {version}, health_check: {check}, tls: {{ {} }}", trust.ca());
            let gateway = in_front_of(&origin.url(), &settings).start().await;
            gateway.client().get("/").send().await.assert_status(200);
            let seen = origin.requests();
            if check != "{}" {
                assert_eq!(seen[0].proxied.as_ref().unwrap().source, None, "{version}: the check");
            }
            let told = seen.last().unwrap().proxied.clone().unwrap();
            assert_eq!(told.source.map(|source| source.ip()), Some(Ipv4Addr::LOCALHOST.into()));
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_without_it() {
    let deaf = headwall_testkit::deaf_address();
    let gateway = in_front_of(&deaf.to_string(), "proxy_protocol: v2").start().await;
    gateway.client().get("/").send().await.assert_status(502);
    assert_eq!(super::reason(gateway).await, "upstream_connect_refused");
}
