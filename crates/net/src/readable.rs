//! Waiting for bytes without a place to read them to.
//!
//! A read has to bring a buffer and keep it for as long as it waits, and most connections do little else than wait.

use std::task::{Context, Poll};

use tokio_rustls::server::TlsStream;

use crate::Socket;

/// A stream that can tell when a read would not have to wait.
pub(crate) trait Readable {
    /// Pending while there is nothing to be read. It may be ready too early, never too late: of a new socket it is assumed
    /// that its first bytes are there, and a record of TLS that has no content wakes whoever waits for content.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Readable for Socket {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is wrong with a socket is told by the read.
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Self::Unix(stream) => stream.poll_read_ready(cx).map(drop),
        }
    }
}

impl<T: Readable> Readable for TlsStream<T> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (socket, session) = self.get_mut();
        // What was decrypted already, the end among it, comes before what the socket has.
        if session.wants_read() { socket.poll_readable(cx) } else { Poll::Ready(()) }
    }
}
