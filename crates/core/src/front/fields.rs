//! The header fields: each line by itself, and what they say together.

use std::ops::Range;

use headwall_route::host_of;

use super::line::RequestLine;
use super::{Body, Refusal};

/// Which bytes a name may have: `token` of RFC 9110, 5.6.2.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let ascii = byte as u8;
        table[byte] = ascii.is_ascii_alphanumeric()
            || matches!(
                ascii,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

/// The largest length that every server behind this one can count.
const LONGEST: usize = 18;

/// What matters of the fields so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    count: usize,
    /// How much of the running line was read.
    read: usize,
    /// Where its colon is, if that was read.
    colon: usize,
    host: Option<Range<usize>>,
    length: Option<u64>,
    chunked: bool,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Not all of it is there, and nothing wrong so far.
    Incomplete,
    /// A field, with its end so many bytes long.
    Field { length: usize },
    /// The end of the head.
    Empty,
}

impl Fields {
    /// Reads a line from its first byte, at `start` of the head, as far as it is there. What was read before of the same
    /// line is not read again.
    pub(super) fn read(&mut self, line: &[u8], start: usize, max: usize) -> Result<Line, Refusal> {
        if self.read == 0 {
            match line {
                [] | [b'\r'] => return Ok(Line::Incomplete),
                [b'\r', b'\n', ..] => return Ok(Line::Empty),
                [b' ' | b'\t', ..] => return Err(Refusal::FoldedHeader),
                [..] if self.count == max => return Err(Refusal::HeadersTooLarge),
                [..] => {}
            }
        }
        if self.colon == 0 {
            self.read += line[self.read..].iter().take_while(|byte| is_token(**byte)).count();
            match line[self.read..] {
                [] | [b'\r'] => return Ok(Line::Incomplete),
                [b':', ..] if self.read > 0 => self.colon = self.read,
                // The line ends without a colon.
                [b'\r', b'\n', ..] => return Err(Refusal::MalformedHeader),
                [b'\r' | b'\n', ..] => return Err(Refusal::MalformedLineEnding),
                [byte, ..] if byte.is_ascii_control() && byte != b'\t' => {
                    return Err(Refusal::ForbiddenCharacter);
                }
                [..] => return Err(Refusal::MalformedHeader),
            }
            self.read += 1;
        }
        self.read += first_control(&line[self.read..]);
        match line[self.read..] {
            [] | [b'\r'] => return Ok(Line::Incomplete),
            [b'\r', b'\n', ..] => {}
            [b'\r' | b'\n', ..] => return Err(Refusal::MalformedLineEnding),
            [..] => return Err(Refusal::ForbiddenCharacter),
        }
        let (colon, end) = (std::mem::take(&mut self.colon), std::mem::take(&mut self.read));
        self.count += 1;
        let value = &line[colon + 1..end];
        match colon {
            4 if is(line, b"host") => self.host(value, start + colon + 1),
            10 if is(line, b"connection") => connection(value),
            14 if is(line, b"content-length") => self.length(trim(value)),
            17 if is(line, b"transfer-encoding") => self.coding(trim(value)),
            _ => Ok(()),
        }?;
        Ok(Line::Field { length: end + 2 })
    }

    /// Looks at all fields together, and at the first line.
    pub(super) fn finish(&self, request: &RequestLine, head: &[u8]) -> Result<Body, Refusal> {
        match (&self.host, &request.authority) {
            (None, _) if !request.is_http10 => return Err(Refusal::MissingHost),
            (Some(host), Some(authority))
                // Byte for byte, as Pingora compares them: nobody who writes both has a reason to write them differently.
                if head[host.clone()] != head[authority.clone()] =>
            {
                return Err(Refusal::HostMismatch);
            }
            (_, _) => {}
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Refusal::AmbiguousLength),
            (None, true) if request.is_http10 => Err(Refusal::InvalidTransferEncoding),
            (None, true) => Ok(Body::Chunked),
            (length, false) => Ok(Body::Length(length.unwrap_or(0))),
        }
    }

    fn host(&mut self, value: &[u8], start: usize) -> Result<(), Refusal> {
        if self.host.is_some() {
            return Err(Refusal::DuplicateHost);
        }
        let host = std::str::from_utf8(trim(value)).map_err(|_| Refusal::InvalidHost)?;
        host_of(host).map_err(|_| Refusal::InvalidHost)?;
        let begin = start + value.len() - value.trim_ascii_start().len();
        self.host = Some(begin..begin + host.len());
        Ok(())
    }

    /// Digits alone: what else parsers make a number of (`+5`, `0x5`, `5,5`) others make another number of.
    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let odd = self.length.is_some() || value.is_empty() || value.len() > LONGEST;
        if odd || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::InvalidLength);
        }
        self.length = Some(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::InvalidTransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }
}

/// Whether a name may have this byte.
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

fn is(line: &[u8], name: &[u8]) -> bool {
    line[..name.len()].eq_ignore_ascii_case(name)
}

/// Where the first control character is that no value may have, or the end. Eight bytes at a time: the borrows of the
/// subtractions make the lowest byte that is found right, and those above it doubtful.
fn first_control(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES * 0x80;
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*word);
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let delete = word ^ (ONES * 0x7f);
        let found = (low | (delete.wrapping_sub(ONES) & !delete)) & HIGH;
        if found == 0 {
            at += 8;
            continue;
        }
        at += (found.trailing_zeros() / 8) as usize;
        if bytes[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    let odd = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    at + bytes[at..].iter().position(odd).unwrap_or(bytes.len() - at)
}

/// Whoever names the framing or the host as a matter of one hop has it dropped by a proxy that does as it is told.
fn connection(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b" keep-alive") || value.eq_ignore_ascii_case(b" close") {
        return Ok(());
    }
    let needed = |option: &[u8]| {
        [&b"host"[..], b"content-length", b"transfer-encoding"]
            .iter()
            .any(|name| option.eq_ignore_ascii_case(name))
    };
    if value.split(|byte| *byte == b',').map(trim).any(needed) {
        return Err(Refusal::InvalidConnection);
    }
    Ok(())
}

/// Without the optional whitespace around it, which is spaces and tabs (RFC 9110, 5.6.3).
fn trim(value: &[u8]) -> &[u8] {
    // Other ASCII whitespace is a control character, and refused before.
    value.trim_ascii()
}
