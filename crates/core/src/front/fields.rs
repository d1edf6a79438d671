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
    host: Option<Range<usize>>,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    /// Reads the line of one field, which begins at `start` of the head and stands without its end.
    pub(super) fn add(&mut self, line: &[u8], start: usize, max: usize) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > max {
            return Err(Refusal::HeadersTooLarge);
        }
        let colon = colon(line)?;
        let value = &line[colon + 1..];
        check_value(value)?;
        match colon {
            4 if is(line, b"host") => self.host(value, start + colon + 1),
            10 if is(line, b"connection") => connection(value),
            14 if is(line, b"content-length") => self.length(trim(value)),
            17 if is(line, b"transfer-encoding") => self.coding(trim(value)),
            _ => Ok(()),
        }
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

/// Where the name ends. Before its colon stands nothing but the name (RFC 9112, 5.1).
fn colon(line: &[u8]) -> Result<usize, Refusal> {
    let end = line.iter().position(|byte| !is_token(*byte)).unwrap_or(line.len());
    match line.get(end) {
        Some(b':') if end > 0 => Ok(end),
        Some(b' ' | b'\t') if end == 0 => Err(Refusal::FoldedHeader),
        Some(b'\r') => Err(Refusal::MalformedLineEnding),
        Some(byte) if byte.is_ascii_control() && *byte != b'\t' => Err(Refusal::ForbiddenCharacter),
        Some(_) | None => Err(Refusal::MalformedHeader),
    }
}

/// Looks at every byte without leaving early, which the compiler turns into a few instructions for sixteen of them.
fn check_value(value: &[u8]) -> Result<(), Refusal> {
    let odd = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    if !value.iter().fold(false, |found, byte| found | odd(byte)) {
        return Ok(());
    }
    match value.iter().find(|byte| odd(byte)) {
        Some(b'\r') => Err(Refusal::MalformedLineEnding),
        Some(_) | None => Err(Refusal::ForbiddenCharacter),
    }
}

/// Whoever names the framing or the host as a matter of one hop has it dropped by a proxy that does as it is told.
fn connection(value: &[u8]) -> Result<(), Refusal> {
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
