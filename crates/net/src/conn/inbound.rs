//! What comes from a client of HTTP/1, cut into requests.
//!
//! A head is held back until it is complete and acceptable, so Pingora never sees a byte of one that is refused. The
//! end of each body is known here too, and what follows it is the next request's: it is held back until its turn has
//! come, so requests that are sent ahead are answered one after the other (RFC 9112, 9.3.2), and no byte is ever taken
//! for the body of one request and the head of another.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use headwall_core::connection::Phase;
use headwall_core::front::{Body, Chunks, MalformedChunk, Refusal, Rules, Scanner, Step};
use tokio::io::{AsyncRead, ReadBuf};

/// A buffer that has grown beyond this is not kept for the next request.
const KEPT: usize = 4 * 1024;
/// What is read at once of what a client sends ahead.
const AHEAD: usize = 1024;

/// The incoming side of a connection.
#[derive(Debug)]
pub(super) struct Inbound {
    rules: Rules,
    scanner: Scanner,
    stage: Stage,
    /// What was read and not given on yet.
    held: Vec<u8>,
    /// Bytes at its beginning that were given on.
    given: usize,
    /// Bytes at its beginning that may be given on.
    cleared: usize,
    /// The first byte of a head has come since this was last asked for.
    begun: bool,
}

/// Where in a request the next byte from the socket belongs.
#[derive(Debug)]
enum Stage {
    Head,
    Body(u64),
    Chunks(Chunks),
    Malformed,
    /// The request has ended; what comes is the next one's.
    Over,
}

/// What is to be done about what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is something for the reader.
    Given,
    /// There is not: more is to be read.
    Held,
    /// The head is refused.
    Refused(Refusal),
    /// The body is malformed.
    Malformed,
}

impl Inbound {
    pub(super) fn new(rules: Rules) -> Self {
        let scanner = Scanner::new(rules);
        Self { rules, scanner, stage: Stage::Head, held: Vec::new(), given: 0, cleared: 0, begun: false }
    }

    /// Whether a head has begun since this was last asked for.
    pub(super) fn has_begun(&mut self) -> bool {
        std::mem::take(&mut self.begun)
    }

    /// Whether more of the body is to come.
    pub(super) fn is_at_body(&self) -> bool {
        matches!(self.stage, Stage::Body(_) | Stage::Chunks(_))
    }

    /// Whether the request has been read, and what comes is the next one's.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether the client has sent, or is sending, what nobody has read.
    pub(super) fn is_unread(&self) -> bool {
        !self.is_empty() || self.is_at_body() || matches!(self.stage, Stage::Malformed)
    }

    /// Whether no byte is here that was not given on.
    pub(super) fn is_empty(&self) -> bool {
        self.given == self.held.len()
    }

    /// Whether a client has sent ahead as much as may be kept for it.
    pub(super) fn is_full(&self) -> bool {
        matches!(self.stage, Stage::Over) && self.held.len() - self.given >= self.rules.max_header_size
    }

    /// As much of the head as has come, or what was held back of it.
    pub(super) fn head(&self) -> &[u8] {
        &self.held[self.given..]
    }

    /// Gives memory back.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            (self.held, self.given, self.cleared) = (Vec::new(), 0, 0);
        }
    }

    /// Gives on what was held back, as far as it is the reader's turn.
    pub(super) fn give(&mut self, buf: &mut ReadBuf<'_>, phase: Phase) -> Verdict {
        if phase == Phase::Tunnel {
            // No more requests: whatever was sent ahead is the tunnel's.
            self.cleared = self.held.len();
        } else if matches!(self.stage, Stage::Over) && phase == Phase::Idle {
            (self.scanner, self.stage) = (Scanner::new(self.rules), Stage::Head);
            if !self.is_empty() {
                self.begun = true;
                return self.look(buf);
            }
        }
        self.hand_over(buf)
    }

    /// Reads some more, and says how much. What is sent ahead is not read into `buf`, which may have room for one byte.
    pub(super) fn poll_take<T: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut T,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<(usize, Verdict)>> {
        if self.is_over() {
            let mut room = [MaybeUninit::uninit(); AHEAD];
            let mut ahead = ReadBuf::uninit(&mut room);
            ready!(Pin::new(io).poll_read(cx, &mut ahead))?;
            return Poll::Ready(Ok((ahead.filled().len(), self.take(&mut ahead, 0))));
        }
        let before = buf.filled().len();
        ready!(Pin::new(io).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        let verdict = if read > 0 { self.take(buf, before) } else { Verdict::Held };
        Poll::Ready(Ok((read, verdict)))
    }

    /// Takes in what was just read into `buf` behind `before`, and leaves there what the reader may have.
    fn take(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> Verdict {
        if !self.is_empty() || matches!(self.stage, Stage::Over) {
            self.held.extend_from_slice(&buf.filled()[before..]);
            buf.set_filled(before);
            return if matches!(self.stage, Stage::Head) { self.look(buf) } else { Verdict::Held };
        }
        // The common case: a whole head, or a piece of a body, that stays where it was read to.
        let read = &buf.filled()[before..];
        let passed = match &mut self.stage {
            Stage::Head => {
                self.begun = true;
                match self.scanner.scan(read) {
                    Step::Complete(head) => {
                        self.stage = Stage::after(head.body);
                        Ok(head.length + self.stage.follow_head(&read[head.length..]))
                    }
                    Step::More => Ok(0),
                    Step::Refused(refusal) => {
                        self.hold(buf, before, 0);
                        return Verdict::Refused(refusal);
                    }
                }
            }
            Stage::Body(_) | Stage::Chunks(_) | Stage::Malformed | Stage::Over => self.stage.follow(read),
        };
        let Ok(passed) = passed else {
            buf.set_filled(before);
            return self.malformed();
        };
        if passed < read.len() {
            self.hold(buf, before, passed);
        }
        if passed > 0 { Verdict::Given } else { Verdict::Held }
    }

    /// Keeps what follows the first `passed` bytes that were read.
    fn hold(&mut self, buf: &mut ReadBuf<'_>, before: usize, passed: usize) {
        self.held.clear();
        self.held.extend_from_slice(&buf.filled()[before + passed..]);
        (self.given, self.cleared) = (0, 0);
        buf.set_filled(before + passed);
    }

    /// Looks at the head that is held.
    fn look(&mut self, buf: &mut ReadBuf<'_>) -> Verdict {
        self.held.drain(..self.given);
        (self.given, self.cleared) = (0, 0);
        match self.scanner.scan(&self.held) {
            Step::More => Verdict::Held,
            Step::Refused(refusal) => Verdict::Refused(refusal),
            Step::Complete(head) => {
                self.stage = Stage::after(head.body);
                self.cleared = head.length + self.stage.follow_head(&self.held[head.length..]);
                self.hand_over(buf)
            }
        }
    }

    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) -> Verdict {
        let taken = (self.cleared - self.given).min(buf.remaining());
        if taken == 0 {
            return if matches!(self.stage, Stage::Malformed) { Verdict::Malformed } else { Verdict::Held };
        }
        buf.put_slice(&self.held[self.given..self.given + taken]);
        self.given += taken;
        if self.is_empty() {
            self.held.clear();
            (self.given, self.cleared) = (0, 0);
            if self.held.capacity() > KEPT {
                self.held = Vec::new();
            }
        }
        Verdict::Given
    }

    fn malformed(&mut self) -> Verdict {
        self.stage = Stage::Malformed;
        Verdict::Malformed
    }
}

impl Stage {
    fn after(body: Body) -> Self {
        match body {
            Body::Length(0) => Self::Over,
            Body::Length(length) => Self::Body(length),
            Body::Chunked => Self::Chunks(Chunks::default()),
        }
    }

    /// How many of the bytes behind a head are its request's. None are where its body is malformed: the head goes on
    /// alone, so that there is a request to be answered and logged.
    fn follow_head(&mut self, bytes: &[u8]) -> usize {
        self.follow(bytes).unwrap_or_else(|MalformedChunk| {
            *self = Self::Malformed;
            0
        })
    }

    /// How many of these bytes are the running request's.
    fn follow(&mut self, bytes: &[u8]) -> Result<usize, MalformedChunk> {
        match self {
            Self::Body(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::Over;
                }
                Ok(taken)
            }
            Self::Chunks(chunks) => {
                let taken = chunks.advance(bytes)?;
                if chunks.is_done() {
                    *self = Self::Over;
                }
                Ok(taken)
            }
            Self::Malformed => Err(MalformedChunk),
            Self::Head | Self::Over => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests;
