//! What is known of one connection to a server, beyond what Pingora keeps of it.
//!
//! A kept connection may be closed by the server at the very moment that a request is sent on it. What a proxy has to know
//! then is whether the server can have seen the request, and TCP tells: a server that closes sends a FIN, and with it up to
//! which byte it has received what came. So if a connection has ended, and not a byte of the request was ever
//! acknowledged, then the server had closed before, and any request may be sent again. An RST acknowledges nothing, so
//! after one this is not known.
//!
//! Pingora closes a connection before it asks whether to try again, so the question is answered when the socket is closed:
//! the stream tells its tracer.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{Shutdown, shutdown};
use parking_lot::Mutex;
use pingora_core::protocols::l4::ext::get_tcp_info;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{Digest, GetProxyDigest as _};
use pingora_core::upstreams::peer::{Tracer, Tracing};
use pingora_http::ResponseHeader;

/// One connection to a server.
#[derive(Debug)]
pub(crate) struct Wire {
    opened: Instant,
    /// None once it is closed, so that no other socket is taken for it.
    socket: Mutex<Option<RawFd>>,
    /// Milliseconds after `opened` at which the last answer was complete.
    rests_since: AtomicU64,
    /// Milliseconds for which the server keeps it, by its own word; `u64::MAX` where it has not said.
    kept_for: AtomicU64,
    /// How many bytes the server's machine had acknowledged when the running request began; `u64::MAX` where nobody asked.
    acknowledged: AtomicU64,
    /// Whether it was closed with nothing of the last request acknowledged.
    unseen: AtomicBool,
    /// Whether it was cut because an answer was overdue.
    cut: AtomicBool,
}

/// Tells a wire that its socket is about to be closed.
#[derive(Debug)]
struct Closing(Arc<Wire>);

// === impl Wire ===

impl Wire {
    fn new(socket: RawFd) -> Self {
        Self {
            opened: Instant::now(),
            socket: Mutex::new(Some(socket)),
            rests_since: AtomicU64::new(0),
            kept_for: AtomicU64::new(u64::MAX),
            acknowledged: AtomicU64::new(u64::MAX),
            unseen: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        }
    }

    /// Goes with a stream from now on, which is the socket of that number.
    pub(super) fn attach(stream: &mut Stream, socket: RawFd) {
        let wire = Arc::new(Self::new(socket));
        // Pingora has one place for data of ours, in the digest of a proxy that there is not.
        let told: Box<Arc<Self>> = Box::new(wire.clone());
        stream.set_proxy_digest(ProxyDigest::new(Box::new(no_response()), Some(told)));
        stream.tracer = Some(Tracer(Box::new(Closing(wire))));
    }

    /// The connection that an attempt was given.
    pub(crate) fn of(digest: &Digest) -> Option<Arc<Self>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Self>>().cloned()
    }

    /// Takes note of what the server has acknowledged so far, so that [`was_unseen`](Self::was_unseen) can be told.
    pub(crate) fn begin(&self) {
        self.acknowledged.store(self.ask().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// An answer is complete, and the next request may take its time.
    pub(crate) fn rest(&self, now: Instant) {
        self.rests_since.store(millis(now.saturating_duration_since(self.opened)), Ordering::Relaxed);
    }

    /// The server has said for how long it keeps the connection.
    pub(crate) fn keep_for(&self, time: Duration) {
        self.kept_for.store(millis(time), Ordering::Relaxed);
    }

    /// Whether a request should not be sent any more on a connection that may rest so long.
    pub(crate) fn is_stale(&self, longest: Duration, now: Instant) -> bool {
        self.rested(now.saturating_duration_since(self.opened))
            >= millis(longest).min(self.kept_for.load(Ordering::Relaxed))
    }

    /// For how many milliseconds it has rested when it is this old.
    fn rested(&self, age: Duration) -> u64 {
        millis(age).saturating_sub(self.rests_since.load(Ordering::Relaxed))
    }

    /// Whether the server cannot have seen a byte of the last request, once the connection is closed. A reset tells
    /// nothing, so this is no answer then.
    pub(crate) fn was_unseen(&self) -> bool {
        self.unseen.load(Ordering::Relaxed)
    }

    /// Ends the connection under whoever is reading from it.
    pub(crate) fn cut(&self) {
        let socket = self.socket.lock();
        if let Some(socket) = *socket {
            self.cut.store(true, Ordering::Relaxed);
            if let Err(error) = shutdown(socket, Shutdown::Both) {
                log::debug!("a connection was closed by the server before it could be cut: {error}");
            }
        }
    }

    /// Whether it was cut.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    fn ask(&self) -> Option<u64> {
        let socket = self.socket.lock();
        // Only TCP acknowledges; a unix socket has no such thing.
        Some(get_tcp_info((*socket)?).ok()?.tcpi_bytes_acked)
    }

    fn close(&self) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        if before != u64::MAX {
            self.unseen.store(self.ask() == Some(before), Ordering::Relaxed);
        }
        *self.socket.lock() = None;
    }
}

// === impl Closing ===

impl Tracing for Closing {
    fn on_connected(&self) {}

    fn on_disconnected(&self) {
        self.0.close();
    }

    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(Self(self.0.clone()))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Pingora's proxy digest cannot be had without the response of a CONNECT proxy.
fn no_response() -> ResponseHeader {
    ResponseHeader::build_no_case(200_u16, Some(0)).unwrap_or_else(|_| unreachable!("200 is a status"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, TcpStream, Wire) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let wire = Wire::new(client.as_raw_fd());
        (client, server, wire)
    }

    #[tokio::test]
    async fn a_request_that_meets_a_closed_connection_was_not_seen() {
        let (mut client, server, wire) = pair().await;
        wire.begin();
        drop(server);
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the end came before the reset");
        wire.close();
        assert!(wire.was_unseen());
    }

    #[tokio::test]
    async fn a_request_that_was_received_may_have_been_seen() {
        let (mut client, mut server, wire) = pair().await;
        // What went before is nobody's concern.
        client.write_all(b"before").await.unwrap();
        server.read_exact(&mut [0; 6]).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        client.read_exact(&mut [0; 6]).await.unwrap();
        wire.begin();
        client.write_all(b"POST").await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
        drop(server);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        wire.close();
        assert!(!wire.was_unseen());
    }

    #[tokio::test]
    async fn a_cut_ends_a_read_and_a_closed_wire_cuts_nothing() {
        let (mut client, _server, wire) = pair().await;
        wire.cut();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        assert!(wire.was_cut());
        let (mut client, mut server, wire) = pair().await;
        wire.close();
        wire.cut();
        assert!(!wire.was_cut());
        server.write_all(b"a").await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 1);
    }

    #[test]
    fn a_connection_is_stale_after_our_time_or_the_servers() {
        let rows = [
            (0, None, false, "just now"),
            (3_999, None, false, "not yet as long as it may"),
            (4_000, None, true, "as long as it may"),
            (0, Some(0), true, "the server keeps nothing"),
            (1_500, Some(1), true, "longer than the server keeps it"),
            (1_000, Some(2), false, "the server keeps it longer than that"),
            (4_000, Some(60), true, "the server would keep it, and we do not"),
        ];
        for (rested, kept_for, expected, row) in rows {
            let mut wire = Wire::new(-1);
            wire.opened = Instant::now();
            kept_for.iter().for_each(|&seconds| wire.keep_for(Duration::from_secs(seconds)));
            let longest = millis(Duration::from_secs(4)).min(wire.kept_for.load(Ordering::Relaxed));
            assert_eq!(wire.rested(Duration::from_millis(rested)) >= longest, expected, "{row}");
        }
    }
}
