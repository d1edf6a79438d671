//! The first line: `METHOD target HTTP/1.1` (RFC 9112, 3).

use std::ops::Range;

use headwall_route::host_of;

use super::Refusal;

/// What the first line says, as far as the rest of the head has to fit to it.
#[derive(Debug)]
pub(super) struct RequestLine {
    /// HTTP/1.0, which needs no `Host` and knows no transfer codings.
    pub(super) is_http10: bool,
    /// Where the target names a host (RFC 9112, 3.2.2), counted from the head's first byte.
    pub(super) authority: Option<Range<usize>>,
}

impl RequestLine {
    /// Reads a line that begins at `start` of the head. The LF at its end is cut off, the CR is not.
    pub(super) fn read(line: &[u8], start: usize) -> Result<Self, Refusal> {
        let method = method(line)?;
        let Some((b'\r', line)) = line.split_last() else {
            return Err(Refusal::MalformedLineEnding);
        };
        let rest = match line[method.len()..] {
            [b' ', ref rest @ ..] => rest,
            // What may be the end of the line, as long as no more of it has come.
            [b'\r', ..] => return Err(Refusal::MalformedLineEnding),
            [..] => return Err(Refusal::MalformedRequestLine),
        };
        let (space, kinds) = target(rest);
        if kinds & CR != 0 || rest[space..].contains(&b'\r') {
            return Err(Refusal::MalformedLineEnding);
        }
        if space == rest.len() {
            return Err(Refusal::MalformedRequestLine);
        }
        let (target, version) = (&rest[..space], &rest[space + 1..]);
        let is_http10 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Refusal::UnsupportedVersion);
            }
            [b'H', b'T', b'T', b'P', b'/', major] if major.is_ascii_digit() => {
                return Err(Refusal::UnsupportedVersion);
            }
            _ => return Err(Refusal::MalformedRequestLine),
        };
        if method == b"CONNECT" {
            return Err(Refusal::Connect);
        }
        let authority = authority(method, target, kinds)?;
        let at = start + method.len() + 1;
        let authority = authority.map(|found| at + found.start..at + found.end);
        Ok(Self { is_http10, authority })
    }
}

/// Kinds of bytes in a target.
const ODD: u8 = 1;
const CR: u8 = 2;
const SPACE: u8 = 4;
const BACKTICK: u8 = 8;
const QUOTE: u8 = 16;
/// No ASCII, which browsers send unescaped as UTF-8.
const WIDE: u8 = 64;
/// And a byte of a method, wherever it stands.
const METHOD: u8 = 32;

/// A fragment is never sent; whoever cuts it off sees another path than who does not. Angle brackets belong into no URI
/// (RFC 3986, 2), and `http` cannot hold them, nor some others where they are refused; what else clients forget to
/// escape passes.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b' ' => SPACE,
            b'\r' => CR,
            0..b' ' | 0x7f | b'#' | b'<' | b'>' => ODD,
            b'`' => BACKTICK,
            b'"' => QUOTE,
            b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => METHOD,
            0x80.. => WIDE,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

/// Where the target ends, which begins here, and the kinds of its bytes.
fn target(rest: &[u8]) -> (usize, u8) {
    let mut kinds = 0;
    for (at, byte) in rest.iter().enumerate() {
        let kind = KINDS[usize::from(*byte)];
        if kind == SPACE {
            return (at, kinds);
        }
        kinds |= kind;
    }
    (rest.len(), kinds)
}

/// The method at the start of a line, or of what has come of it. Methods are case-sensitive (RFC 9110, 9.1), and all that
/// are registered are written like this; a server that takes `get` for `GET` behind a route for `GET` is none of ours.
pub(super) fn method(line: &[u8]) -> Result<&[u8], Refusal> {
    let end = line.iter().position(|byte| KINDS[usize::from(*byte)] != METHOD).unwrap_or(line.len());
    match line.get(end) {
        // With nothing but a CR so far, it may become the one empty line that is let pass.
        None | Some(b' ' | b'\r') if end > 0 || matches!(line, [] | [b'\r']) => Ok(&line[..end]),
        None | Some(_) => Err(Refusal::MalformedRequestLine),
    }
}

/// Checks the form of the target, and says where in it a host is named.
fn authority(method: &[u8], target: &[u8], kinds: u8) -> Result<Option<Range<usize>>, Refusal> {
    if target.is_empty() || kinds & ODD != 0 {
        return Err(Refusal::InvalidTarget);
    }
    // Pingora's parser wants it to be text, and would say nothing of what is none.
    if kinds & WIDE != 0 && std::str::from_utf8(target).is_err() {
        return Err(Refusal::InvalidTarget);
    }
    if kinds & (BACKTICK | QUOTE) != 0 {
        let query = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
        if target[..query].contains(&b'`') || target[query..].contains(&b'"') {
            return Err(Refusal::InvalidTarget);
        }
    }
    if target[0] == b'/' || (target == b"*" && method == b"OPTIONS") {
        return Ok(None);
    }
    let begins = |scheme: &[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
            .then_some(scheme.len())
    };
    let start = begins(b"http://").or_else(|| begins(b"https://")).ok_or(Refusal::InvalidTarget)?;
    let length = target[start..].iter().position(|byte| matches!(byte, b'/' | b'?'));
    let end = length.map_or(target.len(), |length| start + length);
    let host = std::str::from_utf8(&target[start..end]).map_err(|_| Refusal::InvalidTarget)?;
    host_of(host).map_err(|_| Refusal::InvalidTarget)?;
    Ok(Some(start..end))
}
