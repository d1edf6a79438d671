//! Clients and origins over TLS and HTTP/2, against each other.

use http::Version;

use super::*;
use crate::{Authority, Echo, Feeds, Gate, Origin, WebSocketEcho, Wire};

/// An origin for `app.test` and its address.
async fn origin(authority: &Authority) -> Origin {
    let identity = authority.issue(&["app.test", "127.0.0.1"]);
    Origin::builder()
        .tls(&identity)
        .route("/echo", Echo)
        .route("/ws", WebSocketEcho::new())
        .otherwise("hello")
        .start()
        .await
}

#[tokio::test]
async fn both_versions_of_http_go_over_both_versions_of_tls() {
    let authority = Authority::new();
    let origin = origin(&authority).await;
    assert_eq!(origin.url(), format!("https://{}", origin.address()));
    let client = Client::to(origin.address()).tls(&authority).server_name("app.test");
    let table = [
        ("as it is", client.clone(), Version::HTTP_11, Some("http/1.1"), "TLSv1_3"),
        ("HTTP/2", client.clone().http2(), Version::HTTP_2, Some("h2"), "TLSv1_3"),
        ("TLS 1.2", client.clone().versions(&[&TLS12]), Version::HTTP_11, Some("http/1.1"), "TLSv1_2"),
        (
            "HTTP/2 over TLS 1.2",
            client.clone().http2().versions(&[&TLS12]),
            Version::HTTP_2,
            Some("h2"),
            "TLSv1_2",
        ),
        ("no ALPN", client.clone().alpn(&[]), Version::HTTP_11, None, "TLSv1_3"),
        ("the choice", client.clone().alpn(&["http/1.1", "h2"]), Version::HTTP_2, Some("h2"), "TLSv1_3"),
    ];
    for (what, client, http, alpn, tls) in table {
        let reply = client.post("/echo?q", "12345").header("x-a", "b").send().await;
        reply.assert_status(200);
        let handshake = reply.handshake();
        assert_eq!((reply.version, handshake.alpn.as_deref()), (http, alpn), "{what}");
        assert_eq!((handshake.version.as_str(), handshake.resumed), (tls, false), "{what}");
        assert_eq!(handshake.certificate().names(), ["app.test", "127.0.0.1"], "{what}");
        assert_eq!(reply.json()["body_length"], 5, "{what}");

        let seen = origin.requests().pop().unwrap();
        assert_eq!((seen.version, seen.path(), seen.header("x-a")), (http, "/echo", Some("b")), "{what}");
        assert_eq!((seen.server_name(), seen.host()), (Some("app.test"), Some("app.test")), "{what}");
        let seen = seen.tls.unwrap();
        assert_eq!((seen.alpn.as_deref(), seen.version.as_str()), (alpn, tls), "{what}");
    }
}

#[tokio::test]
async fn the_address_is_the_name_unless_another_is_given() {
    let authority = Authority::new();
    let origin = origin(&authority).await;
    Client::to(origin.address()).tls(&authority).get("/").send().await.assert_text("hello");
    let seen = origin.requests().pop().unwrap();
    assert_eq!((seen.server_name(), seen.host()), (None, Some(origin.address().to_string().as_str())));
}

#[tokio::test]
async fn a_session_is_resumed_by_the_clones_of_a_client() {
    let authority = Authority::new();
    let origin = origin(&authority).await;
    for version in [&TLS12, &TLS13] {
        let client = Client::to(origin.address()).tls(&authority).versions(&[version]);
        let first = client.get("/").send().await;
        let second = client.clone().get("/").send().await;
        assert_eq!((first.handshake().resumed, second.handshake().resumed), (false, true), "{version:?}");
        assert!(origin.requests().pop().unwrap().tls.unwrap().resumed, "{version:?}: the origin agrees");
        assert_eq!(first.handshake().serial(), second.handshake().serial(), "{version:?}");
        let forgetful = client.versions(&[version]).get("/").send().await;
        assert!(!forgetful.handshake().resumed, "{version:?}: forgotten");
    }
    let client = Client::to(origin.address()).tls(&authority);
    let resumed = [client.handshake().await.unwrap().resumed, client.handshake().await.unwrap().resumed];
    assert_eq!(resumed, [false, true], "a mere handshake takes the ticket along");
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_ends_the_handshake() {
    let authority = Authority::new();
    let origin = origin(&authority).await;
    let client = Client::to(origin.address());
    let table = [
        ("another authority", client.clone().tls(&Authority::new()), "UnknownIssuer"),
        ("another name", client.clone().tls(&authority).server_name("other.test"), "not valid for name"),
    ];
    for (what, client, expected) in table {
        let failed = client.get("/").try_send().await.unwrap_err();
        assert!(matches!(failed, Failed::Handshake { .. }), "{what}: {failed}");
        assert!(failed.to_string().contains(expected), "{what}: {failed}");
        assert_eq!(failed.alert(), None, "{what}: it was the client that refused");
    }
    let trusting = [Trust::anyone(), Trust::pem(&authority.pem()), authority.roots().into()];
    for trust in trusting {
        client.clone().tls(trust).get("/").send().await.assert_text("hello");
    }
}

#[tokio::test]
async fn the_alert_of_a_server_is_told() {
    let authority = Authority::new();
    let identity = authority.issue(&["app.test"]);
    let origin = Origin::builder().tls(&identity).alpn(&["h2"]).otherwise("").start().await;
    let client = Client::to(origin.address()).tls(&authority).server_name("app.test");
    for version in [&TLS12, &TLS13] {
        let failed = client.clone().versions(&[version]).handshake().await.unwrap_err();
        assert_eq!(failed.alert().as_deref(), Some("NoApplicationProtocol"), "{version:?}: {failed}");
    }
    client.http2().get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let identity = authority.certificate(&["app.test"]).through_intermediate().issue();
    let origin = Origin::builder().tls(&identity).require_client_certificate(&clients).otherwise("hello");
    let origin = origin.start().await;
    let alice = clients.issue_client("alice");
    for version in [&TLS12, &TLS13] {
        let client =
            Client::to(origin.address()).tls(&authority).server_name("app.test").versions(&[version]);
        for http2 in [false, true] {
            let client = if http2 { client.clone().http2() } else { client.clone() };
            client.identity(&alice).get("/").send().await.assert_text("hello");
            let seen = origin.requests().pop().unwrap();
            assert_eq!(seen.client_subject().as_deref(), Some("CN=alice"), "{version:?}");
            assert_eq!(seen.tls.unwrap().client, Some(alice.certificate()), "{version:?}");
        }

        let hits = origin.hits();
        let failed = client.handshake().await.unwrap_err();
        assert_eq!(
            failed.alert().as_deref(),
            Some("CertificateRequired"),
            "{version:?}, none shown: {failed}"
        );
        client.clone().get("/").try_send().await.unwrap_err();
        let stranger = client.identity(&Authority::new().issue_client("alice"));
        let failed = stranger.handshake().await.unwrap_err();
        assert_eq!(failed.alert().as_deref(), Some("UnknownCA"), "{version:?}, a stranger's: {failed}");
        assert_eq!(origin.hits(), hits, "{version:?}: no request came through");
    }
}

#[tokio::test]
async fn a_websocket_goes_over_tls() {
    let authority = Authority::new();
    let origin = origin(&authority).await;
    let client = Client::to(origin.address()).tls(&authority).server_name("app.test");
    let mut socket = client.websocket("/ws").open().await;
    socket.send("hello").await;
    assert_eq!(socket.text().await, "hello");
    assert_eq!(origin.requests()[0].host(), Some("app.test"));
}

#[tokio::test]
async fn http2_needs_no_tls_where_both_sides_know() {
    let origin = Origin::builder().http2().route("/echo", Echo).otherwise("hello").start().await;
    assert_eq!(origin.url(), format!("http://{}", origin.address()));
    let client = Client::to(origin.address()).http2().host("app.test:80");
    let reply = client.post("/echo", "12345").send().await;
    assert_eq!((reply.version, &reply.json()["version"]), (Version::HTTP_2, &"HTTP/2.0".into()));
    assert!(reply.tls.is_none());
    let seen = origin.requests().pop().unwrap();
    assert_eq!((seen.host(), seen.header("host")), (Some("app.test:80"), None));

    Client::to(origin.address()).get("/").try_send().await.expect_err("HTTP/1.1 is not spoken here");
    let plain = Origin::fixed("hello").await;
    Client::to(plain.address()).http2().get("/").try_send().await.expect_err("and HTTP/2 not there");
}

#[tokio::test]
async fn requests_share_an_http2_connection_at_the_same_time() {
    let gate = Gate::closed();
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let origin = Origin::builder().tls(&identity).route("/held", gate.then("late")).otherwise("early");
    let origin = origin.start().await;
    let client = Client::to(origin.address()).tls(&authority).http2().keep().await;
    let held = tokio::spawn(client.get("/held").send());
    gate.reached(1).await;
    client.get("/").send().await.assert_text("early");
    gate.open();
    held.await.unwrap().assert_text("late");
    assert_eq!(origin.connections(), 1);
    origin.stop().await;
    client.closed().await;
}

#[tokio::test]
async fn bodies_and_trailers_stream_over_http2() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().http2().route("/feed", feeds.route()).route("/up", Echo).start().await;
    let client = Client::to(origin.address()).http2();
    let mut reply = client.get("/feed").open().await;
    let feed = feeds.next().await;
    feed.send("one").await.unwrap();
    assert_eq!(reply.chunk().await.unwrap(), "one");
    feed.end_with(&[("x-sum", "7")]).await.unwrap();
    assert_eq!(reply.whole().await.unwrap().trailers["x-sum"], "7");

    let left = client.get("/feed").open().await;
    let feed = feeds.next().await;
    drop(left);
    feed.abandoned().await;

    let (feed, call) = client.post("/up", "").streamed();
    let reply = tokio::spawn(call.send());
    feed.send("12").await.unwrap();
    feed.send("345").await.unwrap();
    feed.end_with(&[("x-sum", "8")]).await.unwrap();
    assert_eq!(reply.await.unwrap().json()["body_length"], 5);
    assert_eq!(origin.requests().pop().unwrap().trailers["x-sum"], "8");
}

#[tokio::test]
async fn what_precedes_everything_is_written_before_the_handshake() {
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let origin = Origin::builder().tls(&identity).expect_proxy_protocol().otherwise("hello").start().await;
    let client = Client::to(origin.address()).preceded_by("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    client.tls(&authority).get("/").send().await.assert_text("hello");
    let seen = origin.requests().pop().unwrap();
    assert_eq!(seen.proxied.unwrap().source, Some("192.0.2.1:1".parse().unwrap()));
    let bare = Client::to(origin.address()).tls(&authority);
    let failed = bare.handshake().await.unwrap_err();
    assert!(matches!(failed, Failed::Handshake { .. }), "{failed}");
}

#[tokio::test]
async fn a_test_can_write_its_own_bytes_into_tls() {
    let authority = Authority::new();
    let origin = origin(&authority).await;
    let client = Client::to(origin.address()).tls(&authority);
    let mut stream = client.tls_stream().await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("hello"), "{reply}");

    let mut wire = Wire::connect(origin.address()).await;
    wire.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!wire.read_to_end().await.contains("HTTP"), "plain HTTP is not answered");
}

#[tokio::test]
#[should_panic(expected = "the client is not over TLS: `tls` comes first")]
async fn tls_comes_before_what_is_said_about_it() {
    let _client = Client::to(crate::deaf_address()).server_name("app.test");
}
