//! Heads that are accepted, heads that are refused, and a second opinion on both.

use proptest::prelude::*;

use super::*;

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

fn refused(head: &str) -> Option<Refusal> {
    match scan(head.as_bytes(), head.len(), Rules::default()) {
        Step::Refused(refusal) => Some(refusal),
        Step::More | Step::Complete(_) => None,
    }
}

#[test]
fn good_heads_are_followed_to_their_end() {
    let rows: [(&str, Body, &str); 20] = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0), "the shortest"),
        ("GET / HTTP/1.0\r\n\r\n", Body::Length(0), "HTTP/1.0 needs no host"),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0), "one empty line before"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", Body::Length(5), "a length"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:\t5 \r\n\r\n",
            Body::Length(5),
            "whitespace around it",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Body::Chunked, "chunked"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", Body::Length(0), "no body, said aloud"),
        ("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", Body::Length(0), "an IPv6 host"),
        ("GET / HTTP/1.1\r\nHost: a_b.example.:80\r\n\r\n", Body::Length(0), "an odd host"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0), "the server itself"),
        ("GET http://a:80/x HTTP/1.1\r\nHost: a:80\r\n\r\n", Body::Length(0), "absolute form"),
        ("GET HTTPS://a HTTP/1.1\r\nHost:  a \r\n\r\n", Body::Length(0), "absolute form without a path"),
        ("GET http://a?b HTTP/1.0\r\n\r\n", Body::Length(0), "absolute form is a host of its own"),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0), "escapes are looked at with the path"),
        ("GET /\u{e9}|{} HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0), "what browsers send unescaped"),
        ("M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0), "a method with a hyphen"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-\u{7e}!#$: \u{e9}\t\"x\"\r\n\r\n", Body::Length(0), "odd and legal"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", Body::Length(0), "an empty value"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", Body::Length(0), "curl"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\n\r\n", Body::Length(0), "an underscore is a token"),
    ];
    for (head, body, row) in rows {
        for piece in [1, 2, 3, 7, 1000] {
            let followed = format!("{head}GET / HTTP/1.1\r\n");
            let expected = Step::Complete(Head { length: head.len(), body });
            assert_eq!(scan(followed.as_bytes(), piece, Rules::default()), expected, "{row}, {piece}");
        }
    }
}

#[test]
fn what_is_refused_is_refused_as_soon_as_it_is_clear() {
    use Refusal::*;
    let rows = [
        ("G\u{1}T", MalformedRequestLine, "no letter"),
        ("\u{16}\u{3}\u{1}", MalformedRequestLine, "a TLS handshake"),
        ("get /", MalformedRequestLine, "lower case"),
        ("GET / HTTP/1.1\n", MalformedLineEnding, "a bare LF"),
        ("GET\r/ HTTP/1.1\r\n", MalformedLineEnding, "a bare CR for a space"),
        ("GET\r\r\n", MalformedLineEnding, "a bare CR behind the method"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n",
            InvalidLength,
            "without waiting for the end",
        ),
        ("GET / HTTP/1.1\r\n Host: a\r\n", FoldedHeader, "a fold of nothing"),
    ];
    for (head, refusal, row) in rows {
        assert_eq!(refused(head), Some(refusal), "{row}");
    }
}

#[test]
fn a_target_that_is_no_text_is_refused() {
    for target in [&b"/\xd9x"[..], b"/?\xff", b"http://a/\xc3", b"/\xed\xa0\x80"] {
        let head = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let refusal = check(&head, Rules::default());
        assert_eq!(refusal, Err(Refusal::InvalidTarget), "{}", target.escape_ascii());
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let rules = Rules { max_request_line: 30, max_header_size: 80, max_header_count: 3 };
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - 14));
    let size = |length: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(length - rest))
    };
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X:\r\n".repeat(count - 1));
    let rows = [
        (line(30), None, "the longest line"),
        (line(31), Some(Refusal::RequestLineTooLong), "a byte too many in it"),
        (line(32), Some(Refusal::RequestLineTooLong), "two bytes too many"),
        (size(80), None, "the largest head"),
        (size(81), Some(Refusal::HeadersTooLarge), "a byte too many"),
        (fields(3), None, "as many fields as may be"),
        (fields(4), Some(Refusal::HeadersTooLarge), "one more"),
    ];
    for (head, expected, row) in rows {
        for piece in [1, 5, 1000] {
            let found = match scan(head.as_bytes(), piece, rules) {
                Step::Refused(refusal) => Some(refusal),
                Step::Complete(_) => None,
                Step::More => panic!("{row}: no end was found"),
            };
            assert_eq!(found, expected, "{row}, {piece} bytes at a time");
        }
    }
    let endless = "x".repeat(200);
    let begun = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {endless}");
    assert_eq!(
        scan(begun.as_bytes(), 7, rules),
        Step::Refused(Refusal::HeadersTooLarge),
        "before the line ends"
    );
}

#[test]
fn words_and_sentences_are_one_for_each_refusal() {
    let mut words: Vec<_> = Refusal::ALL.iter().map(|refusal| refusal.reason()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Refusal::ALL.len());
    assert!(Refusal::ALL.iter().all(|refusal| refusal.status().is_client_error()
        || refusal.status().is_server_error() && refusal.sentence().ends_with('.')));
}

#[test]
fn every_target_that_passes_can_be_held_by_pingora() {
    for byte in 0..=0xff {
        for begin in [&b"/a"[..], b"/a?", b"http://a/"] {
            let target = [begin, &[byte], b"b"].concat();
            let head = [b"GET ", &target[..], b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            if check(&head, Rules::default()).is_ok() {
                let held = pingora_http::RequestHeader::build("GET", &target, None);
                assert!(held.is_ok(), "{:?}", target.escape_ascii().to_string());
            }
        }
    }
}

/// Lines that matter, whole and broken, in any order.
fn any_head() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"GET / HTTP/1.1\r\n"[..]),
        Just(&b"POST http://a/ HTTP/1.1\r\n"[..]),
        Just(&b"Host: a\r\n"[..]),
        Just(&b"Content-Length: 5\r\n"[..]),
        Just(&b"Transfer-Encoding: chunked\r\n"[..]),
        Just(&b"Accept: */*\r\n"[..]),
        Just(&b"X-Odd:\t\xe9\r\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"\n"[..]),
        Just(&b" "[..]),
        Just(&b":"[..]),
        Just(&b"\0"[..]),
        Just(&b"x"[..]),
        Just(&b"GET /\xd9 HTTP/1.1\r\n"[..]),
        Just(&b"HTTP/1.0\r\n"[..]),
    ];
    let rest = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    (any::<bool>(), rest, any::<bool>()).prop_map(|(begun, rest, ended)| {
        let begin = if begun { &b"GET / HTTP/1.1\r\nHost: a\r\n"[..] } else { b"" };
        let end = if ended { &b"\r\n"[..] } else { b"" };
        [begin, &rest, end].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn how_a_head_is_cut_makes_no_difference(head in any_head(), piece in 1_usize..40) {
        let rules = Rules { max_request_line: 40, max_header_size: 120, max_header_count: 4 };
        prop_assert_eq!(scan(&head, piece, rules), scan(&head, usize::MAX / 2, rules));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1_usize..40) {
        prop_assert_eq!(scan(&bytes, piece, Rules::default()), scan(&bytes, usize::MAX / 2, Rules::default()));
    }

    /// Pingora reads heads with httparse: it has to see the same end, and to refuse nothing that passes here.
    #[test]
    fn what_is_accepted_is_what_pingora_reads(head in any_head()) {
        if let Step::Complete(found) = scan(&head, usize::MAX / 2, Rules::default()) {
            let mut fields = [httparse::EMPTY_HEADER; 256];
            let mut req = httparse::Request::new(&mut fields);
            prop_assert_eq!(req.parse(&head), Ok(httparse::Status::Complete(found.length)));
            let named = |name: &str| req.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
            prop_assert_eq!(named("transfer-encoding"), usize::from(found.body == Body::Chunked));
            let path = req.path.unwrap_or_default();
            prop_assert!(pingora_http::RequestHeader::build("GET", path.as_bytes(), None).is_ok(), "{path}");
            prop_assert!(named("host") <= 1 && named("content-length") + named("transfer-encoding") <= 1);
        }
    }
}
