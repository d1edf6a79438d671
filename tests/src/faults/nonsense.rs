//! Answers that are not HTTP, or more than anybody can take: a clear 502, the connection is never used again, and nothing
//! hangs.

use headwall_testkit::{Failed, Gateway, RawOrigin, Wire};

use super::{gateway, last_line};

/// A server that says this to every request and then listens on.
async fn saying(answer: Vec<u8>) -> RawOrigin {
    RawOrigin::start(move |mut wire: Wire| {
        let answer = answer.clone();
        async move {
            wire.read_head().await;
            // The gateway may have had enough before it has heard all.
            if wire.try_write(&answer).await.is_ok() {
                wire.read_to_end().await;
            }
        }
    })
    .await
}

async fn ask(gateway: &Gateway) -> u16 {
    gateway.client().get("/").send().await.status.as_u16()
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_502_and_its_connection_is_not_used_again() {
    let head = "HTTP/1.1 200 OK\r\n";
    let rows = [
        (format!("{head}x: {}\r\n\r\n", "a".repeat(2 << 20)), "a field of 2 MiB"),
        (format!("{head}{}\r\n", "x: 1\r\n".repeat(100_000)), "fields without an end"),
        (format!("{head}{}\r\n", "x: 1\r\n".repeat(1_000)), "a thousand fields"),
        (format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"), "two lengths"),
        (format!("{head}content-length: 5, 6\r\n\r\nhello!"), "two lengths in one"),
        (format!("{head}content-length: five\r\n\r\nhello"), "a length that is no number"),
        (format!("{head}content-length: -5\r\n\r\nhello"), "a length below nothing"),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000), "informational answers without an end"),
        ("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(10_000), "hints without an end"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx".into(),
            "another protocol",
        ),
        ("HTTP/1.1 200 OK\n\r\0\r\n\r\n".into(), "a zero"),
        ("HTTP/9.9 200 OK\r\n\r\n".into(), "another version"),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n".into(), "a request"),
        ("\u{16}\u{3}\u{1}\u{0}".repeat(8) + "\r\n\r\n", "TLS"),
    ];
    for (answer, row) in rows {
        let origin = saying(answer.into_bytes()).await;
        let gateway = gateway(origin.address(), ", timeouts: { first_byte: 5s }", "").await;
        for _ in 0..2 {
            assert_eq!(ask(&gateway).await, 502, "{row}");
        }
        assert_eq!(origin.connections(), 2, "{row}: one connection for each request");
        let line = last_line(gateway).await;
        assert_eq!(line["reason"], "upstream_invalid_response", "{row}: {line}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_too_early_is_not_taken_for_a_whole_one() {
    let rows = [
        ("content-length: 10\r\n\r\nhello", "half of its length"),
        ("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "no last chunk"),
        ("transfer-encoding: chunked\r\n\r\na\r\nhello", "half a chunk"),
    ];
    for (rest, row) in rows {
        let origin = RawOrigin::start(move |mut wire: Wire| async move {
            wire.read_head().await;
            wire.write(format!("HTTP/1.1 200 OK\r\n{rest}")).await;
            wire.finish().await;
            wire.read_to_end().await;
        })
        .await;
        let gateway = gateway(origin.address(), "", "").await;
        for _ in 0..2 {
            let broken = gateway.client().get("/").try_send().await;
            assert!(matches!(broken, Err(Failed::BrokenOff { .. })), "{row}: {broken:?}");
        }
        assert_eq!(origin.connections(), 2, "{row}: one connection for each request");
        let line = last_line(gateway).await;
        assert_eq!(line["reason"], "upstream_closed", "{row}: {line}");
    }
}

/// RFC 9110, 15.2: a client takes any number of them; browsers know what to do with hints.
#[tokio::test]
async fn a_few_informational_answers_come_before_the_real_one() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n".repeat(3);
    let origin = saying(format!("{hints}HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").into()).await;
    let gateway = gateway(origin.address(), "", "").await;
    gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
}

#[tokio::test]
async fn bytes_behind_an_answer_are_nobodys_answer() {
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let origin = saying(answer.into()).await;
    let gateway = gateway(origin.address(), "", "").await;
    for _ in 0..3 {
        gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
    }
    assert_eq!(origin.connections(), 3);
}
