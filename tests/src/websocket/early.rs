//! Bytes that come before the tunnel stands: behind the 101, behind the handshake, or even before it is read.
//!
//! This is where Pingora's own tunnel loses connections (cloudflare/pingora#946), so there are many handshakes here.

use futures_util::{StreamExt, stream};
use headwall_testkit::{Gateway, RawOrigin, Wire, within};

use super::{ACCEPTED, HANDSHAKE, tunnel_to};
use crate::metrics::metric_is;

/// A text frame from a server: "hi".
const HI: [u8; 4] = [0x81, 2, b'h', b'i'];

/// The 101 and the first frame, to be written at once.
fn accepted_with(frame: &[u8]) -> Vec<u8> {
    [ACCEPTED.as_bytes(), frame].concat()
}

/// Accepts, and sends back what comes up to "later".
async fn echo_until_later() -> RawOrigin {
    RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write(ACCEPTED).await;
        let heard = wire.read_until("later").await;
        wire.write(heard).await;
        wire.read_to_end().await;
    })
    .await
}

#[tokio::test]
async fn what_comes_with_the_101_is_the_beginning_of_the_tunnel() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write(accepted_with(&vec![b'o'; 300_000])).await;
        wire.write("and more").await;
        wire.read_to_end().await;
    })
    .await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(HANDSHAKE).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 101 "));
    assert!(client.read_exactly(300_000).await.iter().all(|byte| *byte == b'o'));
    assert_eq!(client.read_exactly(8).await, "and more");
}

#[tokio::test]
async fn what_comes_with_the_handshake_is_the_beginning_of_the_tunnel() {
    let origin = echo_until_later().await;
    let gateway = tunnel_to(origin.address()).start().await;
    let mut client = Wire::connect(gateway.address()).await;
    client.write(format!("{HANDSHAKE}early, ")).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 101 "));
    client.write("later").await;
    assert_eq!(client.read_exactly(12).await, "early, later");
}

#[tokio::test]
async fn what_comes_while_the_handshake_waits_for_its_turn_is_kept() {
    let origin = echo_until_later().await;
    let gateway = Gateway::start(&format!(
        "
        sites: [{{ routes: [{{ websocket: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{}\"], max_connections: 1, queue: {{ timeout: 60s }} }} }}
        ",
        origin.address()
    ))
    .await;
    let mut first = Wire::connect(gateway.address()).await;
    first.write(HANDSHAKE).await;
    assert!(first.read_head().await.starts_with("HTTP/1.1 101 "));
    let mut second = Wire::connect(gateway.address()).await;
    second.write(format!("{HANDSHAKE}early, ")).await;
    metric_is(&gateway, "headwall_upstream_waiting{upstream=\"app\"}", 1.0).await;
    second.write("by and by, ").await;
    drop(first);
    assert!(second.read_head().await.starts_with("HTTP/1.1 101 "));
    second.write("later").await;
    assert_eq!(second.read_exactly(23).await, "early, by and by, later");
}

#[tokio::test]
async fn a_server_may_accept_before_it_was_asked() {
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.write(accepted_with(&HI)).await;
        wire.read_head().await;
        let heard = wire.read_until("!").await;
        wire.write(heard).await;
        wire.read_to_end().await;
    })
    .await;
    let gateway = tunnel_to(origin.address()).start().await;
    for round in 0..50 {
        let mut client = Wire::connect(gateway.address()).await;
        client.write(HANDSHAKE).await;
        assert!(client.read_head().await.starts_with("HTTP/1.1 101 "), "round {round}");
        assert_eq!(client.read_exactly(HI.len()).await, HI.as_slice(), "round {round}");
        client.write("echo!").await;
        assert_eq!(client.read_exactly(5).await, "echo!", "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_of_two_thousand_handshakes_is_dropped() {
    const HANDSHAKES: usize = 2_000;
    const AT_ONCE: usize = 50;
    let origin = RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write(accepted_with(&HI)).await;
        for _ in 0..3 {
            let heard = wire.read_until("!").await;
            wire.write(heard).await;
        }
        wire.read_to_end().await;
    })
    .await;
    let gateway = tunnel_to(origin.address()).start().await;
    let address = gateway.address();
    let whole = |n: usize| {
        tokio::spawn(async move {
            let mut client = Wire::connect(address).await;
            client.write(HANDSHAKE).await;
            let head = client.read_head().await;
            assert!(head.starts_with("HTTP/1.1 101 "), "handshake {n}: {head}");
            assert_eq!(client.read_exactly(HI.len()).await, HI.as_slice(), "handshake {n}");
            for round in 0..3 {
                client.write(format!("{n}.{round}!")).await;
                assert_eq!(client.read_until("!").await, format!("{n}.{round}!"));
            }
        })
    };
    let mut done = stream::iter(0..HANDSHAKES).map(whole).buffer_unordered(AT_ONCE);
    within(60, async {
        while let Some(outcome) = done.next().await {
            outcome.unwrap();
        }
    })
    .await;
    assert_eq!(gateway.metric("headwall_websockets_opened_total"), Some(HANDSHAKES as f64));
}
