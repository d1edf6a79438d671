//! The two messages of a gRPC health check, as bytes.
//!
//! `grpc.health.v1` asks with one field and answers with one, so they are written and read here and not by code that is made
//! from a `.proto` file. What else a server may send is skipped, as protocol buffers ask of every reader.
//!
//! Sources: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>, `PROTOCOL-HTTP2.md` beside it for the five bytes in
//! front of a message, and <https://protobuf.dev/programming-guides/encoding/>.

/// What a server says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Unknown,
    Serving,
    NotServing,
    /// Sent to watchers alone; whoever asks is told `NOT_FOUND`.
    ServiceUnknown,
}

/// Bytes that are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidAnswer {
    #[error("expected one whole gRPC message, got {0} bytes")]
    Incomplete(usize),
    #[error("expected an uncompressed gRPC message, got a compressed one")]
    Compressed,
    #[error("expected a HealthCheckResponse, got something else")]
    NotProtobuf,
    #[error("expected a serving status from 0 to 3, got {0}")]
    UnknownStatus(u64),
}

/// The field that both messages have: `service` in the one, `status` in the other.
const FIELD: u64 = 1;

/// The question: how is this service? The empty name is the server as a whole.
pub(super) fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(service.len() + 8);
    // A default value is not written.
    if !service.is_empty() {
        // Wire type 2: a length, and as many bytes.
        put_varint(&mut message, FIELD << 3 | 2);
        put_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

/// Reads the answer.
pub(super) fn answer(bytes: &[u8]) -> Result<Health, InvalidAnswer> {
    let incomplete = InvalidAnswer::Incomplete(bytes.len());
    let (&[is_compressed, a, b, c, d], message) = bytes.split_first_chunk().ok_or(incomplete)?;
    if is_compressed != 0 {
        return Err(InvalidAnswer::Compressed);
    }
    if usize::try_from(u32::from_be_bytes([a, b, c, d])) != Ok(message.len()) {
        return Err(incomplete);
    }
    // A default value is not sent, and of several the last one counts.
    let mut status = 0;
    let mut rest = message;
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        match tag & 7 {
            0 => {
                let value = take_varint(&mut rest)?;
                if tag >> 3 == FIELD {
                    status = value;
                }
            }
            1 => skip(&mut rest, 8)?,
            2 => {
                let length = take_varint(&mut rest)?;
                skip(&mut rest, usize::try_from(length).unwrap_or(usize::MAX))?;
            }
            5 => skip(&mut rest, 4)?,
            _ => return Err(InvalidAnswer::NotProtobuf),
        }
    }
    match status {
        0 => Ok(Health::Unknown),
        1 => Ok(Health::Serving),
        2 => Ok(Health::NotServing),
        3 => Ok(Health::ServiceUnknown),
        other => Err(InvalidAnswer::UnknownStatus(other)),
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(rest: &mut &[u8]) -> Result<u64, InvalidAnswer> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, further) = rest.split_first().ok_or(InvalidAnswer::NotProtobuf)?;
        *rest = further;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(InvalidAnswer::NotProtobuf)
}

fn skip(rest: &mut &[u8], length: usize) -> Result<(), InvalidAnswer> {
    *rest = rest.get(length..).ok_or(InvalidAnswer::NotProtobuf)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(message);
        bytes
    }

    #[test]
    fn a_question_is_what_other_implementations_send() {
        assert_eq!(question(""), [0, 0, 0, 0, 0], "the whole server");
        assert_eq!(question("app.Users"), framed(b"\x0a\x09app.Users"), "one service");
        let long = question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02], "a length of two bytes");
    }

    #[test]
    fn answers_are_read() {
        let rows: [(&[u8], Health, &str); 7] = [
            (b"", Health::Unknown, "the default"),
            (b"\x08\x01", Health::Serving, "serving"),
            (b"\x08\x02", Health::NotServing, "not serving"),
            (b"\x08\x03", Health::ServiceUnknown, "unknown service"),
            (b"\x08\x02\x08\x01", Health::Serving, "the last one counts"),
            (
                b"\x12\x02hi\x08\x01\x19\0\0\0\0\0\0\0\0\x25\0\0\0\0\x28\xff\x01",
                Health::Serving,
                "among others",
            ),
            (b"\x08\x81\x80\x00", Health::Serving, "longer than it has to be"),
        ];
        for (message, serving, row) in rows {
            assert_eq!(answer(&framed(message)), Ok(serving), "{row}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let rows: [(Vec<u8>, InvalidAnswer, &str); 7] = [
            (vec![], InvalidAnswer::Incomplete(0), "nothing"),
            (vec![0, 0, 0, 0, 2, 8], InvalidAnswer::Incomplete(6), "half of it"),
            (vec![1, 0, 0, 0, 0], InvalidAnswer::Compressed, "compressed"),
            (framed(b"\x08"), InvalidAnswer::NotProtobuf, "no value"),
            (framed(b"\x0b"), InvalidAnswer::NotProtobuf, "a group"),
            (framed(b"\x12\x7f"), InvalidAnswer::NotProtobuf, "too short a text"),
            (framed(b"\x08\x09"), InvalidAnswer::UnknownStatus(9), "another status"),
        ];
        for (bytes, error, row) in rows {
            assert_eq!(answer(&bytes), Err(error), "{row}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd_to_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(bytes.len() >= 5 || answer(&bytes).is_err());
            let framed = framed(&bytes);
            prop_assert_ne!(answer(&framed), Err(InvalidAnswer::Incomplete(framed.len())));
        }

        #[test]
        fn numbers_come_back(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(take_varint(&mut &bytes[..]), Ok(value));
        }
    }
}
