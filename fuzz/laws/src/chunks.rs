//! Chunked bodies: how they are cut makes no difference, and Pingora's reader of chunk sizes finds the same ones.

use headwall::front::Chunks;
use httparse::Status;

/// A chunked body that is read has one reading.
///
/// # Panics
///
/// When it has two.
pub fn chunks(bytes: &[u8]) {
    let whole = follow(bytes, bytes.len().max(1));
    for piece in [1, 2, 7, 61] {
        assert_eq!(follow(bytes, piece), whole, "in pieces of {piece}");
    }
    if let Some((length, true)) = whole {
        let own = &bytes[..length];
        assert_eq!(follow(own, own.len()), whole, "what follows it made a difference");
        assert_eq!(
            follow(&own[..length - 1], own.len()),
            Some((length - 1, false)),
            "its last byte is needed"
        );
        second_opinion(own);
    }
}

/// How much belongs to the body, and whether it is complete; nothing if it is malformed.
fn follow(bytes: &[u8], piece: usize) -> Option<(usize, bool)> {
    let mut chunks = Chunks::default();
    let mut length = 0;
    for piece in bytes.chunks(piece) {
        length += chunks.advance(piece).ok()?;
    }
    Some((length, chunks.is_done()))
}

/// From size to size, with the reader that Pingora has for them.
fn second_opinion(own: &[u8]) {
    let mut rest = own;
    loop {
        let Ok(Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else {
            panic!("no size is read at {}", rest.escape_ascii());
        };
        rest = &rest[line..];
        if size == 0 {
            break;
        }
        let after = usize::try_from(size).ok().and_then(|size| rest.get(size..));
        let Some(tail) = after.and_then(|after| after.strip_prefix(b"\r\n")) else {
            panic!("{size} bytes and a line end are not at {}", rest.escape_ascii());
        };
        rest = tail;
    }
    // Trailers are lines; the empty one is the last, and nothing is behind it.
    let trailers = std::str::from_utf8(rest).map_or_else(|_| String::from_utf8_lossy(rest), Into::into);
    assert!(trailers == "\r\n" || trailers.ends_with("\r\n\r\n"), "{trailers:?}");
    assert_eq!(trailers.find("\r\n\r\n").map_or(2, |at| at + 4), trailers.len(), "{trailers:?}");
}
