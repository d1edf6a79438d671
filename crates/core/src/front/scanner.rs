//! Follows a head from its first byte to its empty line, however it is cut into pieces.
//!
//! A field is read from left to right as it comes, and what is wrong with a beginning is wrong with all that begins so.

use memchr::memchr;

use super::fields::{Fields, Line};
use super::line::{self, RequestLine};
use super::{Head, Refusal, Rules, Step};

/// Follows one head.
#[derive(Debug)]
pub struct Scanner {
    rules: Rules,
    /// Where the line begins that is being looked at.
    line: usize,
    /// The first line does not end before this.
    looked: usize,
    request: Option<RequestLine>,
    fields: Fields,
}

impl Scanner {
    /// Nothing has been seen yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, line: 0, looked: 0, request: None, fields: Fields::default() }
    }

    /// Looks at the head as far as it has come: all of it from its first byte on, each time. What was looked at
    /// before is not looked at again. What follows the head in `bytes` is not touched.
    pub fn scan(&mut self, bytes: &[u8]) -> Step {
        match self.proceed(bytes) {
            Ok(Some(head)) => Step::Complete(head),
            Ok(None) => Step::More,
            Err(refusal) => Step::Refused(refusal),
        }
    }

    fn proceed(&mut self, bytes: &[u8]) -> Result<Option<Head>, Refusal> {
        while self.request.is_none() {
            if !self.first_line(bytes)? {
                return Ok(None);
            }
        }
        let known = &bytes[..bytes.len().min(self.rules.max_header_size)];
        let is_full = known.len() == self.rules.max_header_size;
        loop {
            match self.fields.read(&known[self.line..], self.line, self.rules.max_header_count)? {
                Line::Incomplete if is_full => return Err(Refusal::HeadersTooLarge),
                Line::Incomplete => return Ok(None),
                Line::Field { length } => self.line += length,
                Line::Empty => {
                    let Some(request) = &self.request else { return Ok(None) };
                    let body = self.fields.finish(request, bytes)?;
                    return Ok(Some(Head { length: self.line + 2, body }));
                }
            }
        }
    }

    /// Reads the request line, or the one empty line that may precede it. Says whether there was a whole one.
    fn first_line(&mut self, bytes: &[u8]) -> Result<bool, Refusal> {
        let (limit, too_long) = self.limit();
        let known = &bytes[..bytes.len().min(limit)];
        let Some(found) = memchr(b'\n', &known[self.looked..]) else {
            self.looked = known.len();
            // Whatever speaks no HTTP at all often sends no line end either.
            line::method(&known[self.line..])?;
            return if known.len() == limit { Err(too_long) } else { Ok(false) };
        };
        let end = self.looked + found;
        let (start, line) = (self.line, &bytes[self.line..end]);
        (self.line, self.looked) = (end + 1, end + 1);
        // Clients were known to send an empty line after a body (RFC 9112, 2.2).
        if start > 0 || line != b"\r" {
            self.request = Some(RequestLine::read(line, start)?);
        }
        Ok(true)
    }

    /// Where the first line has to have ended, and what it means if it has not.
    fn limit(&self) -> (usize, Refusal) {
        let whole = (self.rules.max_header_size, Refusal::HeadersTooLarge);
        let first = self.line.saturating_add(self.rules.max_request_line).saturating_add(2);
        if first < whole.0 { (first, Refusal::RequestLineTooLong) } else { whole }
    }
}
