//! Carries bytes between two streams until both are done.
//!
//! There is no buffer for a direction that flows: each read lands on the stack and is written on at once. Only what
//! a blocked writer would not take is kept, and only until it does. A side that ends (FIN) is passed on as such,
//! while the other direction goes on for the linger time.

use std::future::{Future as _, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use crate::Stage;

/// Read at once, on the stack.
const SCRATCH: usize = 32 * 1024;
/// Reads of one direction before the other tasks of the worker have their turn.
const ROUNDS: u32 = 32;

/// How long a tunnel may be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// In both directions.
    pub(super) idle: Duration,
    /// After one side has ended.
    pub(super) linger: Duration,
}

/// What a tunnel has done.
#[derive(Debug)]
pub(super) struct Report {
    /// Bytes from the client.
    pub(super) received: u64,
    /// Bytes to the client.
    pub(super) sent: u64,
    pub(super) end: End,
}

/// Why a tunnel has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides closed.
    Closed,
    /// Nothing moved for the idle time.
    Idle,
    /// One side closed and the other did not follow in time.
    Linger,
    /// The server is shutting down.
    Shutdown,
    /// A stream failed: usually a client that vanished.
    Failed,
}

/// One direction.
#[derive(Default)]
struct Half {
    /// What the writer has not taken yet.
    rest: Vec<u8>,
    written: usize,
    bytes: u64,
    dirty: bool,
    ended: bool,
    done: bool,
}

impl End {
    /// The word for log and metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle_timeout",
            Self::Linger => "linger_timeout",
            Self::Shutdown => "shutdown",
            Self::Failed => "connection_lost",
        }
    }
}

/// Relays until the end. `early` is what each side had sent before the tunnel began: the client's, then the origin's.
pub(super) async fn relay<A, B>(
    client: &mut A,
    origin: &mut B,
    early: (Vec<u8>, Vec<u8>),
    limits: Limits,
    mut stage: watch::Receiver<Stage>,
) -> Report
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let mut up = Half::starting_with(early.0);
    let mut down = Half::starting_with(early.1);
    let mut clock = Clock { last: Instant::now(), timer: Box::pin(sleep(limits.idle)) };
    let ended = {
        let work = poll_fn(|cx| poll_tunnel(cx, client, origin, &mut up, &mut down, &mut clock, limits));
        tokio::select! {
            biased;
            end = work => end,
            _ = stage.wait_for(|stage| *stage == Stage::Closing) => End::Shutdown,
        }
    };
    Report { received: up.bytes, sent: down.bytes, end: ended }
}

struct Clock {
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

fn poll_tunnel<A, B>(
    cx: &mut Context<'_>,
    client: &mut A,
    origin: &mut B,
    up: &mut Half,
    down: &mut Half,
    clock: &mut Clock,
    limits: Limits,
) -> Poll<End>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let before = (up.bytes, down.bytes, up.done, down.done);
    for (half, from_client) in [(&mut *up, true), (&mut *down, false)] {
        let polled = if from_client { half.poll(cx, client, origin) } else { half.poll(cx, origin, client) };
        if let Poll::Ready(Err(_)) = polled {
            return Poll::Ready(End::Failed);
        }
    }
    if up.done && down.done {
        return Poll::Ready(End::Closed);
    }
    if before != (up.bytes, down.bytes, up.done, down.done) {
        clock.last = Instant::now();
    }
    let (limit, end) =
        if up.done || down.done { (limits.linger, End::Linger) } else { (limits.idle, End::Idle) };
    clock.poll(cx, limit, end)
}

impl Clock {
    /// The timer is set anew only when it fires, or when the limit has become shorter than what it is set to.
    fn poll(&mut self, cx: &mut Context<'_>, limit: Duration, end: End) -> Poll<End> {
        let deadline = self.last + limit;
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(end);
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl Half {
    fn starting_with(rest: Vec<u8>) -> Self {
        Self { bytes: rest.len() as u64, rest, ..Self::default() }
    }

    /// Moves what can be moved. Ready when this direction has ended and its end has been passed on.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        if self.done {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH];
        for _ in 0..ROUNDS {
            ready!(self.poll_rest(cx, writer))?;
            if self.ended {
                ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            let mut piece = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut *reader).poll_read(cx, &mut piece)? {
                Poll::Pending => {
                    if self.dirty {
                        ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                        self.dirty = false;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(()) => self.pass_on(cx, writer, piece.filled())?,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes a piece that was just read, or keeps what the writer does not take.
    fn pass_on<W>(&mut self, cx: &mut Context<'_>, writer: &mut W, piece: &[u8]) -> io::Result<()>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        if piece.is_empty() {
            self.ended = true;
            return Ok(());
        }
        self.bytes += piece.len() as u64;
        self.dirty = true;
        let taken = match Pin::new(writer).poll_write(cx, piece)? {
            Poll::Ready(taken) => taken,
            Poll::Pending => 0,
        };
        self.rest.extend_from_slice(&piece[taken..]);
        Ok(())
    }

    fn poll_rest<W>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        while self.written < self.rest.len() {
            let taken = ready!(Pin::new(&mut *writer).poll_write(cx, &self.rest[self.written..]))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += taken;
            self.dirty = true;
        }
        if self.written > 0 {
            // Give the memory back: most tunnels are idle most of the time.
            self.rest = Vec::new();
            self.written = 0;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
