//! Percent-encoding (RFC 3986 section 2.1), one escape at a time.
//!
//! Paths and queries treat escapes differently, so what they share is only how one is read and written.

/// The byte that the escape at the start of `text` stands for, and the text after the escape.
///
/// `None` when `text` does not start with `%` and two hexadecimal digits.
pub(crate) fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'%', high, low, rest @ ..] => Some((digit(*high)? << 4 | digit(*low)?, rest)),
        _ => None,
    }
}

/// Writes the escape of `byte` with upper-case digits, as RFC 3986 section 6.2.2.1 prefers.
pub(crate) fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 0xf)]));
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_read_and_write_back() {
        for byte in 0..=u8::MAX {
            let mut text = String::new();
            push_escape(&mut text, byte);
            assert_eq!(escape(text.as_bytes()), Some((byte, &b""[..])), "{text}");
            assert_eq!(escape(text.to_ascii_lowercase().as_bytes()), Some((byte, &b""[..])), "{text}");
        }
    }

    #[test]
    fn half_escapes_are_none() {
        for text in ["", "a", "%", "%4", "%g0", "%0g", "%+1", "41"] {
            assert_eq!(escape(text.as_bytes()), None, "{text}");
        }
    }
}
