//! One end of a TCP connection, byte by byte: for clients and origins that break the rules a well-made one keeps.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::deadline::{PATIENCE, patiently};

/// A TCP connection and what has been read from it and not been asked for yet.
///
/// Every read waits at most [`PATIENCE`], and a failed one shows what had come.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    unread: BytesMut,
}

/// Bytes as a failed test shows them.
struct Shown<'a>(&'a [u8]);

// === impl Wire ===

impl Wire {
    /// Connects as a client.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = patiently(format!("a connection to {address}"), TcpStream::connect(address)).await;
        Self::new(stream.unwrap_or_else(|error| panic!("could not connect to {address}: {error}")))
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        // What a test writes at once is to arrive at once.
        drop(stream.set_nodelay(true));
        Self { stream, unread: BytesMut::new() }
    }

    /// Writes these bytes.
    ///
    /// # Panics
    ///
    /// When the other side has closed.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.try_write(bytes)
            .await
            .unwrap_or_else(|error| panic!("could not write {}: {error}", Shown(bytes)));
    }

    /// Writes these bytes.
    ///
    /// # Errors
    ///
    /// When the other side has closed.
    pub async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        patiently("the other side to read what is written", self.stream.write_all(bytes.as_ref())).await
    }

    /// Reads up to the end of the first `pattern`, and returns it all as text; what is not UTF-8 is replaced.
    ///
    /// # Panics
    ///
    /// When the connection ends before.
    pub async fn read_until(&mut self, pattern: &str) -> String {
        let pattern_bytes = pattern.as_bytes();
        loop {
            let found = self.unread.windows(pattern_bytes.len()).position(|window| window == pattern_bytes);
            if let Some(start) = found {
                let read = self.unread.split_to(start + pattern_bytes.len());
                return String::from_utf8_lossy(&read).into();
            }
            let more = self.fill(format!("{pattern:?}")).await;
            assert!(more, "expected {pattern:?}, but the connection ended after {}", Shown(&self.unread));
        }
    }

    /// Reads a head of HTTP/1, its empty line included.
    ///
    /// # Panics
    ///
    /// When the connection ends before.
    pub async fn read_head(&mut self) -> String {
        self.read_until("\r\n\r\n").await
    }

    /// Reads exactly so many bytes.
    ///
    /// # Panics
    ///
    /// When the connection ends before.
    pub async fn read_exactly(&mut self, length: usize) -> Bytes {
        while self.unread.len() < length {
            let more = self.fill(format!("{length} bytes")).await;
            assert!(more, "expected {length} bytes, but the connection ended after {}", Shown(&self.unread));
        }
        self.unread.split_to(length).freeze()
    }

    /// Reads until the other side closes, well or by a reset, and returns what came as text; what is not UTF-8 is
    /// replaced.
    pub async fn read_to_end(&mut self) -> String {
        while self.fill("the other side to close").await {}
        String::from_utf8_lossy(&self.unread.split()).into()
    }

    /// Closes this side for writing; the other side reads an end, and can still be read.
    pub async fn finish(&mut self) {
        // When the other side is gone already, there is nothing to close.
        drop(self.stream.shutdown().await);
    }

    /// Drops the connection with a reset, so that the other side gets an error and not an end.
    pub fn reset(self) {
        self.stream
            .set_zero_linger()
            .unwrap_or_else(|error| panic!("the system cannot reset a connection: {error}"));
    }

    /// The address of this side.
    ///
    /// # Panics
    ///
    /// When the system does not know it.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap_or_else(|error| panic!("a connection has no address: {error}"))
    }

    /// The stream, and what has been read from it and not been asked for.
    #[must_use]
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.unread.freeze())
    }

    /// Reads some more; `false` at the end. A reset is an end here: nothing will come any more.
    async fn fill(&mut self, awaited: impl fmt::Display) -> bool {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await {
            Ok(read) => read.is_ok_and(|length| length > 0),
            Err(_) => panic!("waited {} s for {awaited} after {}", PATIENCE.as_secs(), Shown(&self.unread)),
        }
    }
}

// === impl Shown ===

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => out.write_str("nothing"),
            bytes => write!(out, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RawOrigin;

    #[tokio::test]
    async fn reads_stop_where_they_are_told() {
        let origin = RawOrigin::start(async |mut wire: Wire| wire.write("one\r\n\r\ntwothree").await).await;
        let mut wire = Wire::connect(origin.address()).await;
        assert_eq!(wire.read_head().await, "one\r\n\r\n");
        assert_eq!(wire.read_exactly(3).await, "two");
        assert_eq!(wire.read_to_end().await, "three");
        assert_eq!(wire.read_to_end().await, "", "the end stays the end");
    }

    #[tokio::test]
    #[should_panic(expected = r#"expected "\r\n\r\n", but the connection ended after "HTTP/1.1 20""#)]
    async fn an_early_end_shows_what_had_come() {
        let origin = RawOrigin::start(async |mut wire: Wire| wire.write("HTTP/1.1 20").await).await;
        Wire::connect(origin.address()).await.read_head().await;
    }

    #[tokio::test]
    async fn a_finished_side_can_still_read() {
        let origin = RawOrigin::start(async |mut wire: Wire| {
            let heard = wire.read_to_end().await;
            wire.write(heard.to_uppercase()).await;
        })
        .await;
        let mut wire = Wire::connect(origin.address()).await;
        wire.write("quiet").await;
        wire.finish().await;
        assert_eq!(wire.read_to_end().await, "QUIET");
    }

    #[tokio::test]
    async fn a_reset_is_an_error_and_not_an_end() {
        let origin = RawOrigin::start(async |mut wire: Wire| {
            wire.read_until("go").await;
            wire.reset();
        })
        .await;
        let mut wire = Wire::connect(origin.address()).await;
        wire.write("go").await;
        let (mut stream, _) = wire.into_parts();
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
