//! What HTTP/2 refuses by itself: no hook is called for it, but it is told to the client in frames that pass here.
//!
//! A stream is refused by RST_STREAM and a connection by GOAWAY (RFC 9113, 6.4 and 6.8). Only the heads of frames are
//! looked at, and the few bytes of these two that say why.

/// The head of a frame.
const HEAD: usize = 9;
/// The last stream and the error, which is all that matters of a GOAWAY.
const GOAWAY_ERROR: usize = 8;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// What was ended with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// One request.
    Stream,
    /// All of them.
    Connection,
}

/// Follows the frames that go to one client, however they are cut.
#[derive(Debug)]
pub(super) struct Frames {
    /// The frame's head, and the beginning of what it carries.
    begun: [u8; HEAD + GOAWAY_ERROR],
    length: usize,
    /// What is left of the frame and does not matter.
    skip: usize,
}

// === impl Ended ===

impl Ended {
    /// The word for it in metrics.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Connection => "connection",
        }
    }
}

// === impl Frames ===

impl Frames {
    pub(super) fn new() -> Self {
        Self { begun: [0; HEAD + GOAWAY_ERROR], length: 0, skip: 0 }
    }

    /// Goes on with the next piece, and reports each end with an error, by the error's name.
    pub(super) fn follow(&mut self, mut piece: &[u8], mut report: impl FnMut(Ended, &'static str)) {
        loop {
            let skipped = self.skip.min(piece.len());
            (self.skip, piece) = (self.skip - skipped, &piece[skipped..]);
            if piece.is_empty() {
                return;
            }
            let taken = (self.wanted() - self.length).min(piece.len());
            self.begun[self.length..self.length + taken].copy_from_slice(&piece[..taken]);
            (self.length, piece) = (self.length + taken, &piece[taken..]);
            // With the head it is known how much more is wanted.
            if self.length == self.wanted() {
                let error = self.error();
                let (carried, seen) = (self.carried(), self.length - HEAD);
                (self.length, self.skip) = (0, carried.saturating_sub(seen));
                if let Some((ended, name)) = error {
                    report(ended, name);
                }
            }
        }
    }

    /// How many bytes of the frame are kept: its head, and the error if it has one.
    fn wanted(&self) -> usize {
        if self.length < HEAD {
            return HEAD;
        }
        let error = match self.begun[3] {
            RST_STREAM => 4,
            GOAWAY => GOAWAY_ERROR,
            _ => 0,
        };
        HEAD + error.min(self.carried())
    }

    /// How many bytes follow the head.
    fn carried(&self) -> usize {
        let [high, middle, low, ..] = self.begun;
        usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
    }

    /// What the frame ends, and why.
    fn error(&self) -> Option<(Ended, &'static str)> {
        let (ended, at) = match self.begun[3] {
            RST_STREAM => (Ended::Stream, HEAD),
            GOAWAY => (Ended::Connection, HEAD + 4),
            _ => return None,
        };
        let code = self.begun[..self.length].get(at..at + 4)?;
        name(u32::from_be_bytes(code.try_into().ok()?)).map(|name| (ended, name))
    }
}

/// The names of RFC 9113, 7. An end without an error, and that of a request that nobody wants any more, are none.
fn name(code: u32) -> Option<&'static str> {
    Some(match code {
        0x0 | 0x8 => return None,
        0x1 => "protocol_error",
        0x2 => "internal_error",
        0x3 => "flow_control_error",
        0x4 => "settings_timeout",
        0x5 => "stream_closed",
        0x6 => "frame_size_error",
        0x7 => "refused_stream",
        0x9 => "compression_error",
        0xa => "connect_error",
        0xb => "enhance_your_calm",
        0xc => "inadequate_security",
        0xd => "http_1_1_required",
        _ => "unknown",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn errors_are_found_however_the_frames_are_cut() {
        let frames = [
            frame(0, &[7; 300]),
            frame(3, &[0, 0, 0, 1]),
            frame(4, &[]),
            frame(3, &[0, 0, 0, 8]),
            frame(7, &[0, 0, 0, 3, 0, 0, 0, 0xb, b'w', b'h', b'y']),
            frame(7, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
            frame(3, &[0, 0, 1]),
            frame(7, b""),
            frame(0, &[3; 20]),
            frame(3, &[9, 0, 0, 0]),
        ]
        .concat();
        for piece in [1, 2, 3, 8, 9, 10, 17, 100, frames.len()] {
            let mut follower = Frames::new();
            let mut found = Vec::new();
            for bytes in frames.chunks(piece) {
                follower.follow(bytes, |ended, name| found.push((ended.kind(), name)));
            }
            let expected =
                [("stream", "protocol_error"), ("connection", "enhance_your_calm"), ("stream", "unknown")];
            assert_eq!(found, expected, "in pieces of {piece}");
        }
    }
}
