//! Follows a chunked body (RFC 9112, 7.1) to its end.
//!
//! Parsers of chunk sizes differ like those of lengths: in signs, in `0x`, in numbers that overflow, in what ends a line
//! with an extension. Here a size is at most sixteen hexadecimal digits, an extension text, and each line ends with CR
//! and LF.

/// Bytes of extensions on one chunk, and of all trailers. Nobody has a use for either, so this is generous.
const MOST_BESIDE_DATA: u16 = 4096;

/// A body that is not what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a chunked body as RFC 9112 has it")]
pub struct MalformedChunk;

/// Follows one body.
#[derive(Debug)]
pub struct Chunks {
    state: State,
    /// Bytes that are still allowed where the body does not say how many come.
    allowance: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { digits: u8, size: u64 },
    Extension { size: u64 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastLf,
    Done,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size { digits: 0, size: 0 }, allowance: MOST_BESIDE_DATA }
    }
}

impl Chunks {
    /// Goes on with the next piece, and says how many bytes of it belong to the body.
    ///
    /// # Errors
    ///
    /// When the body is malformed. There is no way on from there.
    pub fn advance(&mut self, piece: &[u8]) -> Result<usize, MalformedChunk> {
        let mut at = 0;
        while at < piece.len() && self.state != State::Done {
            if let State::Data { left } = self.state {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len() - at);
                at += taken;
                let left = left - taken as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
            } else {
                self.state = self.after(piece[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// Whether the last byte of the body has passed.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn after(&mut self, byte: u8) -> Result<State, MalformedChunk> {
        let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        Ok(match (self.state, byte) {
            (State::Size { digits, size }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = char::from(byte).to_digit(16).ok_or(MalformedChunk)?;
                State::Size { digits: digits + 1, size: (size << 4) | u64::from(digit) }
            }
            (State::Size { digits: 1.., size }, b'\r') => State::SizeEnd { size },
            (State::Size { digits: 1.., size }, b';') => State::Extension { size },
            (State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Extension { size }, _) if text => {
                self.spend()?;
                State::Extension { size }
            }
            (State::SizeEnd { size }, b'\n') => {
                self.allowance = MOST_BESIDE_DATA;
                // A size that no counter of another server holds is an attack on it.
                match size {
                    0 => State::TrailerStart,
                    1..=0x7fff_ffff_ffff_ffff => State::Data { left: size },
                    _ => return Err(MalformedChunk),
                }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0, size: 0 },
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerStart | State::TrailerName, _) if super::fields::is_token(byte) => {
                self.spend()?;
                State::TrailerName
            }
            (State::TrailerValue, b'\r') => State::TrailerEnd,
            (State::TrailerValue, _) if text => {
                self.spend()?;
                State::TrailerValue
            }
            (State::TrailerEnd, b'\n') => State::TrailerStart,
            (State::LastLf, b'\n') => State::Done,
            (_, _) => return Err(MalformedChunk),
        })
    }

    fn spend(&mut self) -> Result<(), MalformedChunk> {
        self.allowance = self.allowance.checked_sub(1).ok_or(MalformedChunk)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that belong to the body, or nothing if it is malformed, fed in pieces of this size.
    fn length(body: &[u8], piece: usize) -> Option<(usize, bool)> {
        let mut chunks = Chunks::default();
        let mut length = 0;
        for piece in body.chunks(piece) {
            length += chunks.advance(piece).ok()?;
        }
        Some((length, chunks.is_done()))
    }

    #[test]
    fn bodies_are_followed_to_their_end_and_no_further() {
        type Row = (&'static str, Option<(usize, bool)>, &'static str);
        let rows: [Row; 30] = [
            ("0\r\n\r\n", Some((5, true)), "empty"),
            ("5\r\nhello\r\n0\r\n\r\n", Some((15, true)), "one chunk"),
            ("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1", Some((15, true)), "what follows is not its"),
            ("A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n", Some((36, true)), "both cases, and zeros"),
            ("5;a=b\r\nhello\r\n0;last\r\n\r\n", Some((24, true)), "extensions"),
            ("5;a=\"\u{e9}\"\r\nhello\r\n0\r\n\r\n", Some((22, true)), "an extension in another language"),
            ("0\r\nX-Sum: 1\r\nY:\r\n\r\n", Some((19, true)), "trailers"),
            ("5\r\nhel", Some((6, false)), "not complete"),
            ("", Some((0, false)), "nothing yet"),
            ("0x5\r\nhello\r\n0\r\n\r\n", None, "a prefix"),
            ("+5\r\nhello\r\n0\r\n\r\n", None, "a sign"),
            ("-5\r\nhello\r\n0\r\n\r\n", None, "less than nothing"),
            (" 5\r\nhello\r\n0\r\n\r\n", None, "a space before"),
            ("5 \r\nhello\r\n0\r\n\r\n", None, "a space behind"),
            ("5\t;a\r\nhello\r\n0\r\n\r\n", None, "a tab before an extension"),
            ("5\nhello\n0\n\n", None, "bare LF"),
            ("5\rhello\r0\r\r", None, "bare CR"),
            ("5;a\nhello\r\n0\r\n\r\n", None, "bare LF behind an extension"),
            ("5;a\rb\r\nhello\r\n0\r\n\r\n", None, "bare CR in an extension"),
            ("5;\0\r\nhello\r\n0\r\n\r\n", None, "NUL in an extension"),
            ("\r\n5\r\nhello\r\n0\r\n\r\n", None, "no size"),
            (";a\r\nhello\r\n0\r\n\r\n", None, "an extension of nothing"),
            ("5\r\nhello!\r\n0\r\n\r\n", None, "longer than it says"),
            ("5\r\nhell\r\n0\r\n\r\n", None, "shorter than it says"),
            ("5\r\nhello0\r\n\r\n", None, "no line end behind the data"),
            ("10000000000000005\r\nhello\r\n0\r\n\r\n", None, "a size that overflows into 5"),
            ("ffffffffffffffff\r\nhello\r\n", None, "a size that is negative to some"),
            ("0\r\n X: 1\r\n\r\n", None, "a folded trailer"),
            ("0\r\nX : 1\r\n\r\n", None, "a space in a trailer's name"),
            ("0\r\nX\r\n\r\n", None, "a trailer without a colon"),
        ];
        for (body, expected, row) in rows {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(length(body.as_bytes(), piece), expected, "{row}, {piece} bytes at a time");
            }
        }
    }

    #[test]
    fn what_is_not_data_is_bounded() {
        let long = "x".repeat(5000);
        assert_eq!(length(format!("5;{long}\r\nhello\r\n0\r\n\r\n").as_bytes(), 100), None, "an extension");
        let trailers = format!("X: {}\r\n", "x".repeat(100)).repeat(50);
        assert_eq!(length(format!("0\r\n{trailers}\r\n").as_bytes(), 100), None, "trailers");
        let many = "1;abcdefghij\r\nx\r\n".repeat(5000) + "0\r\n\r\n";
        assert_eq!(
            length(many.as_bytes(), 1000),
            Some((many.len(), true)),
            "many chunks may have short ones"
        );
    }
}
