//! What goes in at one end comes out at the other.

use bytes::Bytes;
use headwall_testkit::{Ending, Message, Origin, RawOrigin, Sockets, WebSocketEcho, Wire};
use tokio::sync::mpsc;

use super::{ACCEPTED, HANDSHAKE, tunnel_to};

async fn echo() -> Origin {
    Origin::builder().otherwise(WebSocketEcho::new().protocols(&["chat", "log"])).start().await
}

#[tokio::test]
async fn messages_of_every_size_come_back() {
    let origin = echo().await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut socket = gateway.client().websocket("/ws").open().await;
    socket.send("grüß dich").await;
    assert_eq!(socket.text().await, "grüß dich");
    // The lengths at which a frame's head, a read and a socket's buffer change.
    for length in [0, 1, 125, 126, 65_535, 65_536, 200_000, 1 << 20] {
        let sent: Vec<u8> = (0_u8..=250).cycle().take(length).collect();
        socket.send(sent.clone()).await;
        let received = socket.next().await.unwrap();
        assert!(received == Message::binary(sent), "{length} bytes came back changed");
    }
}

#[tokio::test]
async fn many_messages_come_back_in_order() {
    let origin = echo().await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut socket = gateway.client().websocket("/ws").open().await;
    for n in 0..1_000 {
        socket.send(n.to_string()).await;
    }
    for n in 0..1_000 {
        assert_eq!(socket.text().await, n.to_string());
    }
}

#[tokio::test]
async fn pings_and_pongs_pass() {
    let mut sockets = Sockets::new();
    let origin = Origin::builder().otherwise(sockets.route()).start().await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = gateway.client().websocket("/ws").open().await;
    let mut server = sockets.next().await;
    client.send(Message::Ping("from the client".into())).await;
    assert_eq!(server.next().await.unwrap(), Message::Ping("from the client".into()));
    // Its pong goes out together with what it writes next.
    server.send("hello").await;
    let came = [client.next().await.unwrap(), client.next().await.unwrap()];
    assert!(came.contains(&Message::text("hello")), "{came:?}");
    assert!(came.contains(&Message::Pong("from the client".into())), "{came:?}");
    server.send(Message::Ping("from the server".into())).await;
    assert_eq!(client.next().await.unwrap(), Message::Ping("from the server".into()));
}

#[tokio::test]
async fn subprotocols_and_extensions_are_agreed_on_by_both_ends() {
    let origin = echo().await;
    let gateway = tunnel_to(origin.address()).start().await;
    let socket = gateway.client().websocket("/ws").protocols("news, log, chat").open().await;
    assert_eq!(socket.protocol(), Some("log"));
    let deflate = "permessage-deflate; client_max_window_bits";
    gateway.client().websocket("/ws").header("sec-websocket-extensions", deflate).open().await;
    assert_eq!(origin.requests()[1].header("sec-websocket-extensions"), Some(deflate));

    let raw = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        let extension =
            "\r\nsec-websocket-extensions: permessage-deflate; server_no_context_takeover\r\n\r\n";
        wire.write(ACCEPTED.trim_end().to_owned() + extension).await;
        wire.read_to_end().await;
    })
    .await;
    let gateway = tunnel_to(raw.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    let head = client.read_head().await.to_lowercase();
    assert!(head.contains("permessage-deflate; server_no_context_takeover\r\n"), "{head}");
}

#[tokio::test]
async fn a_close_passes_with_code_and_reason_whoever_begins() {
    let mut sockets = Sockets::new();
    let origin = Origin::builder().otherwise(sockets.route()).start().await;
    let gateway = tunnel_to(origin.address()).start().await;

    let mut client = gateway.client().websocket("/ws").open().await;
    let server = sockets.next().await;
    client.close(4001, "enough").await;
    assert_eq!(server.ending().await, Ending::Closed { code: Some(4001), reason: "enough".into() });
    assert_eq!(client.ending().await, Ending::Closed { code: Some(4001), reason: "enough".into() });

    let client = gateway.client().websocket("/ws").open().await;
    let mut server = sockets.next().await;
    server.close(1012, "restart").await;
    assert_eq!(client.ending().await, Ending::Closed { code: Some(1012), reason: "restart".into() });
    assert_eq!(server.ending().await, Ending::Closed { code: Some(1012), reason: "restart".into() });
}

#[tokio::test]
async fn a_client_that_has_finished_still_gets_its_answer() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write(ACCEPTED).await;
        let heard = wire.read_to_end().await;
        wire.write(format!("you said {} bytes", heard.len())).await;
    })
    .await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    client.read_head().await;
    client.write(vec![b'x'; 200_000]).await;
    client.finish().await;
    assert_eq!(client.read_to_end().await, "you said 200000 bytes");
}

#[tokio::test]
async fn a_server_that_has_finished_still_gets_what_the_client_sends() {
    let (heard, mut hears) = mpsc::unbounded_channel();
    let origin = RawOrigin::start(move |mut wire: Wire| {
        let heard = heard.clone();
        async move {
            wire.read_head().await;
            wire.write(ACCEPTED.to_owned() + "that was all").await;
            wire.finish().await;
            let length = wire.read_to_end().await.len();
            heard.send(length).unwrap_or_else(|_| panic!("the test is over"));
        }
    })
    .await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    client.read_head().await;
    assert_eq!(client.read_to_end().await, "that was all", "the end is passed on");
    client.write(Bytes::from(vec![b'x'; 1 << 20])).await;
    client.finish().await;
    assert_eq!(hears.recv().await, Some(1 << 20));
}
