//! The end of a connection whose client still has something to read.
//!
//! A socket that is closed while something lies unread in it is reset, and a reset takes the answer away from a client
//! that has not read it yet. So what is said last is sent with its end, and what still comes is read off for a moment
//! (RFC 9112, 9.6).

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long, and how much, is read off.
const WITHIN: Duration = Duration::from_secs(2);
const AT_MOST: usize = 64 * 1024;

/// What is left to do.
#[derive(Debug)]
pub(super) struct Farewell {
    until: Pin<Box<Sleep>>,
    unread: usize,
    has_ended: bool,
}

impl Farewell {
    pub(super) fn new() -> Self {
        Self { until: Box::pin(sleep(WITHIN)), unread: AT_MOST, has_ended: false }
    }

    /// Ready when the connection may be closed. What was said has been handed to `io` before.
    pub(super) fn poll<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut T,
        said: &Poll<io::Result<()>>,
    ) -> Poll<()> {
        match said {
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) if !self.has_ended => {
                // If the end cannot be sent, it is nothing that the client would miss.
                self.has_ended = Pin::new(&mut *io).poll_shutdown(cx).is_ready();
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        let mut room = [0; 4096];
        while self.unread > 0 {
            let mut buf = ReadBuf::new(&mut room);
            match Pin::new(&mut *io).poll_read(cx, &mut buf) {
                Poll::Pending => return self.until.as_mut().poll(cx),
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.unread = self.unread.saturating_sub(buf.filled().len());
                }
                // A client that has ended its side may still be reading.
                Poll::Ready(_) if self.has_ended => return Poll::Ready(()),
                Poll::Ready(_) => return self.until.as_mut().poll(cx),
            }
        }
        if self.has_ended { Poll::Ready(()) } else { self.until.as_mut().poll(cx) }
    }
}
