//! HTTP/2, frame by frame: heads that are none, bodies that stop, and floods.

use std::time::Duration;

use headwall_testkit::Wire;
use tokio::time::timeout;

use super::Recorder;
use super::way::{Door, Way};
use crate::frames::{CONTINUATION, DATA, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, beginning, frame};

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A header block of literals without indexing (RFC 7541, 6.2.2), short ones.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

/// A client of a server that forwards to `origin`.
async fn connect(way: Way, origin: &Recorder, limits: &str) -> (Door, Wire) {
    let route = "api: { upstream: app, timeouts: { read: 1s, first_byte: 1s } }";
    let door = way.to(origin.address(), route, &format!("limits: {limits}"), true).await;
    let mut wire = Wire::connect(door.address()).await;
    wire.write(beginning()).await;
    (door, wire)
}

/// Reads frames until one of this stream has the status (in a head) or ends it (by a reset), or the connection goes.
async fn outcome(wire: &mut Wire, stream: u32) -> String {
    loop {
        let head = wire.read_exactly(9).await;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = wire.read_exactly(length).await;
        match head[3] {
            HEADERS if of == stream => return status(&payload),
            RST_STREAM if of == stream => return "reset".into(),
            GOAWAY => return "goaway".into(),
            _ => {}
        }
    }
}

/// The status at the start of a head, from the static table (RFC 7541, appendix A) or written out.
fn status(block: &[u8]) -> String {
    // A change of the table's size may precede it.
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    match block[0] {
        0x88 => "200".into(),
        0x8c => "400".into(),
        0x8d => "404".into(),
        // A literal with the name `:status`, its value in Huffman code or plain.
        0x48 | 0x08 => {
            let length = usize::from(block[1] & 0x7f);
            let value = &block[2..2 + length];
            if block[1] & 0x80 == 0 { String::from_utf8_lossy(value).into() } else { digits(value) }
        }
        other => format!("{other:x}"),
    }
}

/// Digits in the Huffman code of RFC 7541, appendix B: five bits for 0, 1 and 2, six for the others.
fn digits(code: &[u8]) -> String {
    let bits: String = code.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut rest = bits.as_str();
    let mut text = String::new();
    while rest.len() >= 5 && text.len() < 3 {
        let five = u8::from_str_radix(&rest[..5], 2).unwrap();
        let (digit, length) = match five {
            0..=2 => (five, 5),
            _ => (u8::from_str_radix(&rest[..6], 2).unwrap() - 0b01_1001 + 3, 6),
        };
        text.push(char::from(b'0' + digit));
        rest = &rest[length..];
    }
    text
}

#[tokio::test]
async fn heads_that_http1_would_not_have_are_not_taken_from_http2_either() {
    let with = |more: &[(&'static str, &'static str)]| [&POST[..], more].concat();
    let rows = [
        (with(&[]), "200", "a good one"),
        (with(&[("connection", "close")]), "reset", "connection"),
        (with(&[("transfer-encoding", "chunked")]), "reset", "transfer-encoding"),
        (with(&[("upgrade", "websocket")]), "reset", "upgrade"),
        (with(&[("keep-alive", "x")]), "reset", "keep-alive"),
        (with(&[("proxy-connection", "x")]), "reset", "proxy-connection"),
        (with(&[("te", "gzip")]), "reset", "te other than trailers"),
        (with(&[("X-Upper", "1")]), "reset", "upper case"),
        (with(&[("x y", "1")]), "reset", "a space in a name"),
        (with(&[("x", "a\r\nb: c")]), "reset", "a line end in a value"),
        (with(&[("x", "a\0b")]), "reset", "NUL in a value"),
        (with(&[("host", "b")]), "400", "another host"),
        (with(&[("host", "a"), ("host", "a")]), "400", "two hosts"),
        (with(&[("content-length", "1"), ("content-length", "2")]), "reset", "two lengths"),
        (with(&[("content-length", "+0")]), "reset", "a sign"),
        (with(&[("content-length", "5")]), "reset", "a length that is not kept"),
        (with(&[(":path", "/x")]), "reset", "two paths"),
        (with(&[(":odd", "x")]), "reset", "an unknown pseudo-header"),
        (with(&[("x", "1"), (":path", "/x")]), "reset", "a pseudo-header behind the others"),
        (POST[..3].to_vec(), "reset", "no path"),
        (POST[1..].to_vec(), "reset", "no method"),
        (vec![POST[0], POST[1], POST[3]], "400", "no authority"),
        (vec![POST[0], POST[1], POST[2], (":path", "")], "reset", "an empty path"),
        (vec![POST[0], POST[1], POST[2], (":path", "/a b")], "reset", "a space in the path"),
        (vec![POST[0], POST[1], POST[2], (":path", "/a\r\nb")], "reset", "a line end in the path"),
        (vec![POST[0], POST[1], POST[2], (":path", "/%zz")], "400", "a bad escape"),
        (vec![POST[0], POST[1], (":authority", "a b"), POST[3]], "reset", "an authority that is none"),
        (vec![POST[0], POST[1], (":authority", "u@a"), POST[3]], "400", "an authority with a user"),
    ];
    for (way, (fields, expected, row)) in
        Way::BOTH.iter().flat_map(|way| rows.iter().map(move |row| (way, row)))
    {
        let origin = Recorder::start().await;
        let (door, mut wire) = connect(*way, &origin, "{}").await;
        wire.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(fields))).await;
        let found = outcome(&mut wire, 1).await;
        let name =
            |kind: &str| format!("headwall_http2_errors_total{{kind=\"{kind}\",reason=\"protocol_error\"}}");
        let counted = door.gateway.metric(&name("stream")).is_some()
            || door.gateway.metric(&name("connection")).is_some();
        assert_eq!(counted, ["reset", "goaway"].contains(&found.as_str()), "{way:?}, {row}: {found}");
        let refused = found == *expected || (*expected == "reset" && (found == "goaway" || found == "400"));
        assert!(refused, "{way:?}, {row}: {found}");
        if *expected != "200" {
            assert_eq!(origin.origin.connections(), 0, "{way:?}, {row}: it went on to the upstream");
        }
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_a_413() {
    for (fields, row) in
        [(POST.to_vec(), "counted"), ([&POST[..], &[("content-length", "40")]].concat(), "announced")]
    {
        let origin = Recorder::start().await;
        let (_door, mut wire) = connect(Way::Plain, &origin, "{ max_body_size: 30 }").await;
        wire.write(frame(HEADERS, END_HEADERS, 1, &block(&fields))).await;
        wire.write(frame(DATA, 0, 1, &[b'x'; 20])).await;
        wire.write(frame(DATA, END_STREAM, 1, &[b'x'; 20])).await;
        assert_eq!(outcome(&mut wire, 1).await, "413", "{row}");
        assert!(!origin.seen().contains("0\r\n\r\n"), "{row}: half a body for a whole: {}", origin.seen());
    }
}

/// The upstream that waits for the rest is not to blame.
#[tokio::test]
async fn an_upload_that_stops_is_a_408() {
    let origin = Recorder::start().await;
    let (door, mut wire) = connect(Way::Plain, &origin, "{}").await;
    wire.write(frame(HEADERS, END_HEADERS, 1, &block(&POST))).await;
    wire.write(frame(DATA, 0, 1, b"begun")).await;
    assert_eq!(outcome(&mut wire, 1).await, "408");
    drop(wire);
    let log = door.gateway.stop().await;
    assert_eq!(log[0]["reason"], "client_timeout");
    assert!(!origin.seen().contains("0\r\n\r\n"), "half a body for a whole: {}", origin.seen());
}

#[tokio::test]
async fn an_upload_that_comes_in_crumbs_is_a_408() {
    let origin = Recorder::start().await;
    let (_door, mut wire) = connect(Way::Plain, &origin, "{ body_timeout: 300ms, min_body_rate: 1k }").await;
    wire.write(frame(HEADERS, END_HEADERS, 1, &block(&POST))).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..40 {
        ticks.tick().await;
        wire.write(frame(DATA, 0, 1, b"x")).await;
    }
    assert_eq!(outcome(&mut wire, 1).await, "408");
    assert!(!origin.seen().contains("0\r\n\r\n"), "half a body for a whole: {}", origin.seen());
}

/// Writes one thing over and over, and says whether the server has had enough of it. It may also just not answer.
async fn flood(limits: &str, mut next: impl FnMut(u32) -> Vec<u8>) -> (bool, Door) {
    let origin = Recorder::start().await;
    let (door, mut wire) = connect(Way::Plain, &origin, limits).await;
    let mut ended = false;
    for number in 0..2000 {
        let bytes = next(number);
        match timeout(Duration::from_secs(2), wire.try_write(&bytes)).await {
            Ok(Ok(())) => {}
            // Nobody reads any more, or nobody is there.
            Ok(Err(_)) | Err(_) => {
                ended = true;
                break;
            }
        }
    }
    let text = if ended {
        String::new()
    } else {
        timeout(Duration::from_secs(2), wire.read_to_end()).await.unwrap_or_default()
    };
    (ended || !text.is_empty(), door)
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_end_the_connection() {
    let (ended, _door) = flood("{}", |number| {
        let stream = number * 2 + 1;
        [
            frame(HEADERS, END_HEADERS, stream, &block(&POST)),
            frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
        ]
        .concat()
    })
    .await;
    assert!(ended, "2,000 streams were opened and reset");
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    let mut begun = false;
    let (ended, _door) = flood("{}", |_| {
        let kind = if std::mem::replace(&mut begun, true) { CONTINUATION } else { HEADERS };
        let filler = block(&[("x", "0123456789")]).repeat(100);
        frame(kind, 0, 1, &if kind == HEADERS { block(&POST) } else { filler })
    })
    .await;
    assert!(ended, "2,000 continuations were taken");
}

/// Each of these wants an answer, and the answers are not read.
#[tokio::test]
async fn answers_that_nobody_reads_do_not_pile_up() {
    for (kind, payload, row) in [(PING, &[0_u8; 8][..], "pings"), (SETTINGS, &[][..], "settings")] {
        let origin = Recorder::start().await;
        let (door, mut wire) = connect(Way::Plain, &origin, "{ send_timeout: 1s }").await;
        let before = door.gateway.metric("process_resident_memory_bytes").unwrap_or_default();
        let many = frame(kind, 0, 0, payload).repeat(1000);
        let mut taken = 0;
        while taken < 3000
            && matches!(timeout(Duration::from_secs(2), wire.try_write(&many)).await, Ok(Ok(())))
        {
            taken += 1;
        }
        let after = door.gateway.metric("process_resident_memory_bytes").unwrap_or_default();
        assert!(after - before < 64e6, "{row}: {taken} thousand have taken {} MB", (after - before) / 1e6);
    }
}
