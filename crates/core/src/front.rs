//! The strict front: what a request's head has to be before anybody acts on it.
//!
//! Two servers that read one text differently are what request smuggling lives on, so a text that can be read in two
//! ways is refused here, before any filter and before Pingora's own parser, which is more forgiving. Everything in
//! here is pure: bytes go in, a [`Step`] comes out, and how the bytes were cut into pieces makes no difference.
//!
//! An `Upgrade` to anything but WebSocket is not refused. A server may ignore it (RFC 9110, 7.8), and `curl --http2`
//! sends one with every plain request: the header is dropped on the way to the upstream instead, with all that
//! `Connection` names, so nothing but HTTP/1.1 is ever spoken behind it.

mod chunks;
mod fields;
mod line;
mod refusal;
mod scanner;

pub use chunks::{Chunks, MalformedChunk};
pub use refusal::{Refusal, Refusals, Refused};
pub use scanner::Scanner;

/// How large a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Bytes of the request line, without its end. 8 KiB by default.
    pub max_request_line: usize,
    /// Bytes of the whole head, its empty line included. 32 KiB by default.
    pub max_header_size: usize,
    /// Header fields. 100 by default.
    pub max_header_count: usize,
}

/// How far a scanner has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is wrong so far, and the end has not come.
    More,
    /// The head is acceptable.
    Complete(Head),
    /// It is not, and no further byte can change that.
    Refused(Refusal),
}

/// A head that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its bytes, the empty line at its end included.
    pub length: usize,
    /// What follows it.
    pub body: Body,
}

/// How the end of a request's body is known (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// It has so many bytes.
    Length(u64),
    /// It says so itself.
    Chunked,
}

impl Default for Rules {
    fn default() -> Self {
        Self { max_request_line: 8 * 1024, max_header_size: 32 * 1024, max_header_count: 100 }
    }
}

/// Looks at a whole head at once.
///
/// # Errors
///
/// Why it is refused. A head without an end is malformed.
pub fn check(head: &[u8], rules: Rules) -> Result<Head, Refusal> {
    match Scanner::new(rules).scan(head) {
        Step::Complete(head) => Ok(head),
        Step::Refused(refusal) => Err(refusal),
        Step::More => Err(Refusal::MalformedHeader),
    }
}

#[cfg(test)]
mod tests;
