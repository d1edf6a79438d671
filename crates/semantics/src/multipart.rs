//! Several parts of a content as one body (RFC 9110, 14.6).

use http::HeaderValue;

use crate::range::Span;

/// A piece of such a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// What stands between two parts, and at the end.
    Text(String),
    /// A part.
    Span(Span),
}

/// A body of several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// Its `Content-Type`.
    pub content_type: HeaderValue,
    /// How many bytes it has.
    pub length: u64,
    /// The pieces, in their order.
    pub pieces: Vec<Part>,
}

// === impl Multipart ===

impl Multipart {
    /// Puts parts of a content of this type and `size` together. What stands between them is told from what is in them by
    /// `boundary`: a number of chance, so that nobody writes it into a content beforehand.
    pub fn new(spans: &[Span], boundary: u128, content_type: Option<&HeaderValue>, size: u64) -> Self {
        let kind = content_type.and_then(|kind| kind.to_str().ok());
        let kind = kind.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let mut pieces = Vec::with_capacity(2 * spans.len() + 1);
        for span in spans {
            let range = span.content_range(size);
            let head = format!("\r\n--{boundary:032x}\r\n{kind}Content-Range: {range}\r\n\r\n");
            pieces.extend([Part::Text(head), Part::Span(*span)]);
        }
        pieces.push(Part::Text(format!("\r\n--{boundary:032x}--\r\n")));
        let content_type = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary:032x}"));
        Self {
            // Hexadecimal digits are header text.
            content_type: content_type.unwrap_or(HeaderValue::from_static("multipart/byteranges")),
            length: pieces.iter().map(Part::length).sum(),
            pieces,
        }
    }

    /// The body, of a content that is in memory.
    pub fn fill(&self, content: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(usize::try_from(self.length).unwrap_or_default());
        for piece in &self.pieces {
            body.extend_from_slice(match piece {
                Part::Text(text) => text.as_bytes(),
                Part::Span(span) => &content[span.within(content.len())],
            });
        }
        body
    }
}

// === impl Part ===

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Span(span) => span.length(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_is_as_the_rfc_shows_it() {
        let spans = [Span { start: 0, end: 2 }, Span { start: 8, end: 10 }];
        let of = |kind: Option<&'static str>| {
            let kind = kind.map(HeaderValue::from_static);
            let multipart = Multipart::new(&spans, 0xab, kind.as_ref(), 10);
            let text = String::from_utf8(multipart.fill(b"abcdefghij")).unwrap();
            (multipart.content_type, text)
        };
        let (content_type, text) = of(Some("text/plain"));
        assert_eq!(content_type, "multipart/byteranges; boundary=000000000000000000000000000000ab");
        let expected = "\r\n--000000000000000000000000000000ab\r\nContent-Type: text/plain\r\n\
                        Content-Range: bytes 0-1/10\r\n\r\nab\
                        \r\n--000000000000000000000000000000ab\r\nContent-Type: text/plain\r\n\
                        Content-Range: bytes 8-9/10\r\n\r\nij\
                        \r\n--000000000000000000000000000000ab--\r\n";
        assert_eq!(text, expected);
        assert_eq!(
            of(None).1,
            expected.replace("Content-Type: text/plain\r\n", ""),
            "nobody knows what it is"
        );
    }

    proptest! {
        #[test]
        fn what_is_put_together_can_be_taken_apart(
            ends in proptest::collection::vec((0_u64..500, 1_u64..100), 2..16),
            boundary in any::<u128>(),
        ) {
            let content: Vec<u8> = (0..=255).cycle().take(600).collect();
            let spans: Vec<_> =
                ends.iter().map(|(start, length)| Span { start: *start, end: start + length }).collect();
            let multipart = Multipart::new(&spans, boundary, None, 600);
            let body = multipart.fill(&content);
            prop_assert_eq!(body.len() as u64, multipart.length, "the length that is told beforehand");
            let mut rest = body.as_slice();
            for span in &spans {
                let head = format!(
                    "\r\n--{boundary:032x}\r\nContent-Range: bytes {}-{}/600\r\n\r\n",
                    span.start,
                    span.end - 1
                );
                rest = rest.strip_prefix(head.as_bytes()).unwrap();
                rest = rest.strip_prefix(&content[span.start as usize..span.end as usize]).unwrap();
            }
            let end = format!("\r\n--{boundary:032x}--\r\n");
            prop_assert_eq!(rest, end.as_bytes());
        }
    }
}
