//! Trailers as the last frame of a body (PROTOCOL-WEB of gRPC).

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;

/// What tells a frame of trailers from one of a message.
const IS_TRAILERS: u8 = 0x80;

/// Writes trailers as a frame: a flag, the length, and a line for each, as HTTP/1 has headers. No space follows a colon,
/// because not every client expects one.
pub(crate) fn frame(trailers: &HeaderMap) -> Bytes {
    let lines = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + 3);
    // A head of 4 GiB does not get here.
    let length = u32::try_from(lines.sum::<usize>()).unwrap_or(u32::MAX);
    let mut frame = BytesMut::with_capacity(5 + length as usize);
    frame.put_u8(IS_TRAILERS);
    frame.put_u32(length);
    for (name, value) in trailers {
        frame.put_slice(name.as_str().as_bytes());
        frame.put_u8(b':');
        frame.put_slice(value.as_bytes());
        frame.put_slice(b"\r\n");
    }
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_a_frame_of_lines() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "9".parse().unwrap());
        trailers.insert("grpc-message", "not like this".parse().unwrap());
        trailers.append("x-detail", "a".parse().unwrap());
        trailers.append("x-detail", "b".parse().unwrap());
        let lines = b"grpc-status:9\r\ngrpc-message:not like this\r\nx-detail:a\r\nx-detail:b\r\n";
        let frame = frame(&trailers);
        assert_eq!(frame[..5], [0x80, 0, 0, 0, lines.len() as u8]);
        assert_eq!(frame[5..], lines[..]);
    }

    #[test]
    fn no_trailers_are_an_empty_frame() {
        assert_eq!(frame(&HeaderMap::new())[..], [0x80, 0, 0, 0, 0]);
    }
}
