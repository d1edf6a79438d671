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
        if line.contains(&b'\r') {
            return Err(Refusal::MalformedLineEnding);
        }
        let rest = line.get(method.len() + 1..).ok_or(Refusal::MalformedRequestLine)?;
        let space = rest.iter().position(|byte| *byte == b' ').ok_or(Refusal::MalformedRequestLine)?;
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
        let authority = authority(method, target)?;
        let at = start + method.len() + 1;
        let authority = authority.map(|found| at + found.start..at + found.end);
        Ok(Self { is_http10, authority })
    }
}

/// The method at the start of a line, or of what has come of it. Methods are case-sensitive (RFC 9110, 9.1), and all that
/// are registered are written like this; a server that takes `get` for `GET` behind a route for `GET` is none of ours.
pub(super) fn method(line: &[u8]) -> Result<&[u8], Refusal> {
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\r')).unwrap_or(line.len());
    let method = &line[..end];
    let known = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    // With nothing but a CR so far, it may become the one empty line that is let pass.
    if method.iter().all(known) && (end > 0 || matches!(line, [] | [b'\r'])) {
        Ok(method)
    } else {
        Err(Refusal::MalformedRequestLine)
    }
}

/// Checks the form of the target, and says where in it a host is named.
fn authority(method: &[u8], target: &[u8]) -> Result<Option<Range<usize>>, Refusal> {
    // A fragment is never sent; whoever cuts it off sees another path than who does not. The others belong into no URI
    // (RFC 3986, 2), and `http` cannot hold them where they are refused; what else clients forget to escape passes.
    let odd = |byte: &u8| *byte <= b' ' || matches!(byte, 0x7f | b'#' | b'<' | b'>');
    if target.is_empty() || target.iter().any(odd) {
        return Err(Refusal::InvalidTarget);
    }
    let query = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    if target[..query].contains(&b'`') || target[query..].contains(&b'"') {
        return Err(Refusal::InvalidTarget);
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
