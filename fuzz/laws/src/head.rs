//! Heads: how they are cut makes no difference, and Pingora's parser reads what passes in the same way.

use headwall::front::{Body, Rules, Scanner, Step};

/// Rules that some bytes are enough to break.
const TIGHT: Rules = Rules { max_request_line: 40, max_header_size: 120, max_header_count: 4 };

/// A head that is read has one reading.
///
/// # Panics
///
/// When it has two.
pub fn head(bytes: &[u8]) {
    for rules in [Rules::default(), TIGHT] {
        let whole = scan(bytes, bytes.len().max(1), rules);
        for piece in [1, 2, 7, 61] {
            assert_eq!(scan(bytes, piece, rules), whole, "in pieces of {piece}");
        }
        if let Step::Complete(head) = whole {
            let (own, rest) = bytes.split_at(head.length);
            assert_eq!(scan(own, own.len(), rules), whole, "what follows it made a difference: {rest:?}");
            assert_eq!(scan(&own[..own.len() - 1], own.len(), rules), Step::More, "its last byte is needed");
            assert!(head.length <= rules.max_header_size);
            second_opinion(own, head.body);
        }
    }
}

/// What becomes of a head that comes in pieces of this size.
fn scan(bytes: &[u8], piece: usize, rules: Rules) -> Step {
    let mut scanner = Scanner::new(rules);
    let mut end = 0;
    while end < bytes.len() {
        end = bytes.len().min(end + piece);
        let step = scanner.scan(&bytes[..end]);
        if step != Step::More {
            return step;
        }
    }
    Step::More
}

/// Pingora reads heads with httparse.
fn second_opinion(own: &[u8], body: Body) {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut req = httparse::Request::new(&mut fields);
    assert_eq!(req.parse(own), Ok(httparse::Status::Complete(own.len())), "it ends elsewhere");
    let values = |name: &str| -> Vec<&[u8]> {
        let named = req.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    };
    let (hosts, lengths, codings) = (values("host"), values("content-length"), values("transfer-encoding"));
    assert!(hosts.len() == 1 || (hosts.is_empty() && req.version == Some(0)), "{} hosts", hosts.len());
    match body {
        Body::Chunked => {
            assert!(codings.len() == 1 && lengths.is_empty());
            assert!(codings[0].eq_ignore_ascii_case(b"chunked"), "{}", codings[0].escape_ascii());
        }
        Body::Length(length) => {
            assert!(codings.is_empty() && lengths.len() <= 1);
            let read = lengths.first().map_or(Ok(0), |text| String::from_utf8_lossy(text).parse());
            assert_eq!(read, Ok(length));
        }
    }
    let (method, path) = (req.method.unwrap_or_default(), req.path.unwrap_or_default());
    assert!(http::Method::from_bytes(method.as_bytes()).is_ok(), "{method}");
    assert!(http::Uri::try_from(path).is_ok(), "{path} cannot be forwarded");
}
