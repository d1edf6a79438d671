//! What goes to a client: small writes are collected into one, and a client that does not take what it asked for is
//! given up.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep_until};

use super::pace::Pace;

/// Small writes are collected up to this size, so that a head and a short body are one packet.
pub(super) const COLLECT: usize = 8 * 1024;

/// The outgoing side of a connection.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) collected: Vec<u8>,
    written: usize,
    pace: Pace,
    /// There only while the client is being waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Outbound {
    pub(super) fn new(pace: Pace) -> Self {
        Self { collected: Vec::new(), written: 0, pace, timer: None }
    }

    /// Whether everything was written.
    pub(super) fn is_empty(&self) -> bool {
        self.collected.is_empty()
    }

    /// Gives memory back. There must be nothing left to write.
    pub(super) fn rest(&mut self) {
        (self.collected, self.timer) = (Vec::new(), None);
    }

    /// Whether this much still fits.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.collected.len() + bytes <= COLLECT
    }

    pub(super) fn collect(&mut self, bytes: &[u8]) {
        if self.collected.capacity() == 0 {
            self.collected.reserve_exact(COLLECT);
        }
        self.collected.extend_from_slice(bytes);
    }

    /// Writes what was collected.
    pub(super) fn poll_drain<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut T,
    ) -> Poll<io::Result<()>> {
        while self.written < self.collected.len() {
            let polled = Pin::new(&mut *io).poll_write(cx, &self.collected[self.written..]);
            let taken = ready!(self.paced(cx, polled))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += taken;
        }
        self.collected.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Writes what is not worth collecting.
    pub(super) fn poll_write<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut T,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(io).poll_write(cx, bytes);
        self.paced(cx, polled)
    }

    /// Takes note of how a write went. One that is pending becomes [`io::ErrorKind::TimedOut`] when the client is too
    /// slow.
    fn paced(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(result) => {
                self.pace.moves(*result.as_ref().unwrap_or(&0));
                self.timer = None;
                return polled;
            }
            Poll::Pending => {}
        }
        loop {
            let Some(until) = self.pace.wait() else {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }
}
