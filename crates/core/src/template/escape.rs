//! What comes from a client must not mean anything where it is put.

/// Where a text is going to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// In the value of a header: control characters, line ends among them, become spaces.
    Header,
    /// In a path: what would end it, or is no character of one, is written with a percent sign.
    Path,
    /// In a URL behind its host. As in a path, but that a question mark may begin a query.
    Url,
    /// Between the tags of HTML, or in a quoted attribute.
    Html,
    /// In a string of JSON.
    Json,
}

impl Escape {
    pub(super) fn push(self, out: &mut String, value: &str) {
        match self {
            Self::Header => {
                out.extend(
                    value.chars().map(|char| if char.is_control() && char != '\t' { ' ' } else { char }),
                );
            }
            Self::Path => push_url(out, value, b"/"),
            Self::Url => push_url(out, value, b"/?[]"),
            Self::Html => {
                for char in value.chars() {
                    match char {
                        '&' => out.push_str("&amp;"),
                        '<' => out.push_str("&lt;"),
                        '>' => out.push_str("&gt;"),
                        '"' => out.push_str("&quot;"),
                        '\'' => out.push_str("&#39;"),
                        _ => out.push(char),
                    }
                }
            }
            Self::Json => push_json(out, value),
        }
    }
}

/// Escapes that are there already stay: what comes here is part of a target more often than not.
fn push_url(out: &mut String, value: &str, kept: &[u8]) {
    for byte in value.bytes() {
        let is_plain =
            byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte) || kept.contains(&byte);
        if is_plain {
            out.push(char::from(byte));
        } else {
            out.push('%');
            push_hex(out, byte);
        }
    }
}

fn push_json(out: &mut String, value: &str) {
    for char in value.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            char if char < ' ' => {
                out.push_str("\\u00");
                // Control characters are one byte.
                push_hex(out, char as u8);
            }
            _ => out.push(char),
        }
    }
}

fn push_hex(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(escape: Escape, value: &str) -> String {
        let mut out = String::new();
        escape.push(&mut out, value);
        out
    }

    #[test]
    fn nothing_means_anything_where_it_is_put() {
        let rows = [
            (Escape::Header, "a\r\nset-cookie: b\0", "a  set-cookie: b ", "a header does not end early"),
            (Escape::Path, "/a?b#c \\d%2f", "/a%3Fb%23c%20%5Cd%2f", "a path stays a path"),
            (Escape::Url, "/a?b#c\\", "/a?b%23c%5C", "a browser takes a backslash for a slash"),
            (Escape::Html, "<a href=\"'&'\">", "&lt;a href=&quot;&#39;&amp;&#39;&quot;&gt;", "no tags"),
            (Escape::Json, "\"\\\n", "\\\"\\\\\\u000A", "a string stays a string"),
        ];
        for (escape, value, expected, row) in rows {
            assert_eq!(escaped(escape, value), expected, "{row}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_what_it_has_to_be(value in any::<String>()) {
            prop_assert!(http::HeaderValue::from_str(&escaped(Escape::Header, &value)).is_ok()
                || !value.is_ascii());
            prop_assert!(http::HeaderValue::from_bytes(escaped(Escape::Header, &value).as_bytes()).is_ok());
            let path = format!("/{}", escaped(Escape::Path, &value));
            prop_assert!(path.parse::<http::Uri>().is_ok_and(|uri| uri.query().is_none()), "{}", path);
            let json = format!("\"{}\"", escaped(Escape::Json, &value));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
        }
    }
}
