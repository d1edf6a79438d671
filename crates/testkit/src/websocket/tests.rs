//! Both ends of a WebSocket against each other.

use super::*;
use crate::{Client, Fixed, Origin, RawOrigin, Wire};

async fn echo() -> (Origin, Client) {
    let origin =
        Origin::builder().route("/ws", WebSocketEcho::new().protocols(&["chat", "log"])).start().await;
    let client = Client::to(origin.address());
    (origin, client)
}

#[tokio::test]
async fn messages_come_back() {
    let (_origin, client) = echo().await;
    let mut socket = client.websocket("/ws").open().await;
    socket.send("hello").await;
    assert_eq!(socket.text().await, "hello");
    socket.send(vec![0, 1, 2]).await;
    assert_eq!(socket.next().await.unwrap(), Message::binary(vec![0, 1, 2]));
    socket.send(Message::Ping("p".into())).await;
    assert_eq!(socket.next().await.unwrap(), Message::Pong("p".into()));
}

#[tokio::test]
async fn the_first_known_subprotocol_is_chosen() {
    let (origin, client) = echo().await;
    let table = [("chat", Some("chat")), ("news, log, chat", Some("log")), ("news", None)];
    for (offered, chosen) in table {
        let socket = client.websocket("/ws").protocols(offered).open().await;
        assert_eq!(socket.protocol(), chosen, "{offered}");
    }
    let socket = client.websocket("/ws").host("ws.test").header("x-token", "7").open().await;
    assert_eq!(socket.protocol(), None, "none offered");
    let seen = &origin.requests()[3];
    assert_eq!((seen.header("host"), seen.header("x-token")), (Some("ws.test"), Some("7")));
}

#[tokio::test]
async fn a_close_is_answered() {
    let (_origin, client) = echo().await;
    let mut socket = client.websocket("/ws").open().await;
    socket.close(4001, "enough").await;
    assert_eq!(socket.ending().await, Ending::Closed { code: Some(4001), reason: "enough".into() });
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let (_origin, client) = echo().await;
    client.get("/ws").send().await.assert_status(400);
    client.websocket("/elsewhere").refused().await.assert_status(404).assert_text(r#"{"error":"not found"}"#);
}

#[tokio::test]
#[should_panic(expected = "expected a WebSocket, but came\nHTTP/1.1 429 Too Many Requests")]
async fn an_unexpected_refusal_shows_the_reply() {
    let origin = Origin::builder().otherwise(Fixed::status(429)).start().await;
    Client::to(origin.address()).websocket("/ws").open().await;
}

#[tokio::test]
#[should_panic(expected = "expected a refusal, but the WebSocket was accepted")]
async fn an_unexpected_acceptance_fails() {
    let (_origin, client) = echo().await;
    client.websocket("/ws").refused().await;
}

#[tokio::test]
async fn the_test_can_hold_the_origins_end() {
    let mut sockets = Sockets::new();
    let origin = Origin::builder().route("/ws", sockets.route()).start().await;
    let mut client = Client::to(origin.address()).websocket("/ws").header("x-token", "7").open().await;
    let mut server = sockets.next().await;
    assert_eq!(server.header("x-token"), Some("7"));

    server.send("first word").await;
    assert_eq!(client.text().await, "first word");
    client.send("answer").await;
    assert_eq!(server.text().await, "answer");

    server.close(1001, "restart").await;
    assert_eq!(client.ending().await, Ending::Closed { code: Some(1001), reason: "restart".into() });
}

#[tokio::test]
async fn a_dropped_end_is_a_cut() {
    let mut sockets = Sockets::new();
    let origin = Origin::builder().route("/ws", sockets.route()).start().await;
    let client = Client::to(origin.address()).websocket("/ws").open().await;
    drop(sockets.next().await);
    assert!(matches!(client.ending().await, Ending::Cut(_)));
}

#[tokio::test]
async fn a_frame_in_the_same_write_as_the_101_is_not_lost() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        let head = wire.read_head().await;
        let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let switch = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\n\u{81}\u{2}hi"
        );
        // Frame bytes are not UTF-8: write each character as its one byte.
        let bytes: Vec<u8> = switch.chars().map(|character| u8::try_from(character).unwrap()).collect();
        wire.write(bytes).await;
        wire.read_to_end().await;
    })
    .await;
    let mut socket = Client::to(origin.address()).websocket("/ws").open().await;
    assert_eq!(socket.text().await, "hi");
}
