//! What is ambiguous, malformed, too slow or too large does not get past the front, and its sender can read why.

mod beside_nginx;
mod bodies;
mod corpus;
mod crowds;
mod heads;
mod http2;
mod limits;
mod slow;
mod way;

use std::net::SocketAddr;
use std::sync::Arc;

use headwall_testkit::{Gateway, RawOrigin, Wire};
use tokio::sync::watch;

/// An origin that answers every head with `ok`, and keeps every byte that reaches it.
struct Recorder {
    origin: RawOrigin,
    seen: Arc<watch::Sender<String>>,
}

impl Recorder {
    async fn start() -> Self {
        let seen = Arc::new(watch::Sender::new(String::new()));
        let kept = seen.clone();
        let origin = RawOrigin::start(move |wire: Wire| {
            let kept = kept.clone();
            async move { record(wire, &kept).await }
        })
        .await;
        Self { origin, seen }
    }

    fn address(&self) -> SocketAddr {
        self.origin.address()
    }

    fn seen(&self) -> String {
        self.seen.borrow().clone()
    }
}

/// Answers once a request is whole, and marks the end of the connection in what is kept.
async fn record(wire: Wire, kept: &watch::Sender<String>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut stream, _) = wire.into_parts();
    let mut request = String::new();
    let mut buf = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buf).await {
        let text = String::from_utf8_lossy(&buf[..read]).into_owned();
        kept.send_modify(|kept| kept.push_str(&text));
        request.push_str(&text);
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let is_whole = match length {
            Some(length) => body.len() >= length,
            None => !head.contains("transfer-encoding: chunked") || body.ends_with("0\r\n\r\n"),
        };
        if is_whole {
            request.clear();
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await);
        }
    }
    kept.send_modify(|kept| kept.push_str("<end>"));
}

/// One site, one route, one server, with these limits.
async fn in_front_of(server: SocketAddr, limits: &str) -> Gateway {
    Gateway::config(&format!(
        "limits: {limits}\nsites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]\n\
         upstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}\n"
    ))
    .variable("APP", server)
    .start()
    .await
}

/// Sends these bytes in pieces of this size, and gives all that comes until the connection closes. A server that has
/// heard enough may close before it has heard all.
async fn tell(gateway: &Gateway, bytes: &[u8], piece: usize) -> String {
    tell_at(gateway.address(), bytes, piece).await
}

/// The same for whoever listens at this address.
async fn tell_at(address: SocketAddr, bytes: &[u8], piece: usize) -> String {
    let mut wire = Wire::connect(address).await;
    for piece in bytes.chunks(piece) {
        if wire.try_write(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    wire.read_to_end().await
}
