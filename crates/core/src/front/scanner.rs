//! Follows a head from its first byte to its empty line, however it is cut into pieces.

use memchr::memchr;

use super::fields::Fields;
use super::line::{self, RequestLine};
use super::{Head, Refusal, Rules, Step};

/// Follows one head.
#[derive(Debug)]
pub struct Scanner {
    rules: Rules,
    /// Where the line begins that is being looked at.
    line: usize,
    /// No line ends from there to here.
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
        loop {
            let (limit, too_long) = self.limit();
            let known = &bytes[..bytes.len().min(limit)];
            let Some(found) = memchr(b'\n', &known[self.looked..]) else {
                self.looked = known.len();
                if self.request.is_none() {
                    // Whatever speaks no HTTP at all often sends no line end either.
                    line::method(&known[self.line..])?;
                }
                return if known.len() == limit { Err(too_long) } else { Ok(None) };
            };
            let end = self.looked + found;
            let (start, line) = (self.line, &bytes[self.line..end]);
            (self.line, self.looked) = (end + 1, end + 1);
            let Some(request) = &self.request else {
                // One empty line may precede a request: clients were known to send one after a body (RFC 9112, 2.2).
                if start > 0 || line != b"\r" {
                    self.request = Some(RequestLine::read(line, start)?);
                }
                continue;
            };
            let Some((b'\r', line)) = line.split_last() else {
                return Err(Refusal::MalformedLineEnding);
            };
            if line.is_empty() {
                let body = self.fields.finish(request, bytes)?;
                return Ok(Some(Head { length: end + 1, body }));
            }
            self.fields.add(line, start, self.rules.max_header_count)?;
        }
    }

    /// Where the line has to have ended, and what it means if it has not.
    fn limit(&self) -> (usize, Refusal) {
        let whole = (self.rules.max_header_size, Refusal::HeadersTooLarge);
        if self.request.is_some() {
            return whole;
        }
        let first = self.line.saturating_add(self.rules.max_request_line).saturating_add(2);
        if first < whole.0 { (first, Refusal::RequestLineTooLong) } else { whole }
    }
}
