//! Heads, one by one, whole and in pieces: the answer, the log, the count, and an origin that hears nothing.

use std::collections::BTreeMap;

use headwall_testkit::{Client, Gateway, Origin, RawOrigin, Wire};

use super::corpus::{CORPUS, Row};
use super::way::Way;
use super::{Recorder, in_front_of, tell, tell_at};

/// Sends the whole corpus in pieces of this size.
async fn refuse_all(way: Way, piece: usize) {
    let origin = RawOrigin::silent().await;
    let settings = "limits: { header_timeout: 5s }";
    let door = way.to(origin.address(), "api: { upstream: app }", settings, false).await;
    let mut reasons: BTreeMap<&str, f64> = BTreeMap::new();
    for (head, status, reason) in CORPUS {
        let answer = tell_at(door.address(), head.replace('·', "\r\n").as_bytes(), piece).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {answer:?}");
        let (top, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(top.contains("\r\nConnection: close"), "{head:?}: {top}");
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(json["error"].is_string(), "{head:?}: one answer, and nothing behind it: {body}");
        *reasons.entry(reason).or_default() += 1.0;
    }
    assert_eq!(origin.connections(), 0, "nothing got through");
    let gateway = door.gateway;
    for (reason, count) in reasons {
        let name = format!("headwall_requests_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(gateway.metric(&name), Some(count), "{reason}");
    }
    let log = gateway.stop().await;
    assert_eq!(log.len(), CORPUS.len(), "a line for each");
    for (line, (head, status, reason)) in log.iter().zip(CORPUS) {
        assert_eq!((&line["status"], &line["reason"]), (&(*status).into(), &(*reason).into()), "{head:?}");
        assert_eq!(line["client"], "127.0.0.1", "{head:?}");
    }
}

#[test]
fn the_corpus_is_large_and_has_no_doubles() {
    let mut heads: Vec<_> = CORPUS.iter().map(|(head, ..): &Row| head).collect();
    heads.sort_unstable();
    heads.dedup();
    assert_eq!(heads.len(), CORPUS.len());
    assert!(heads.len() >= 150, "{}", heads.len());
}

#[tokio::test]
async fn what_is_malformed_is_refused_in_one_piece() {
    refuse_all(Way::Plain, 10_000).await;
}

#[tokio::test]
async fn what_is_malformed_is_refused_byte_by_byte() {
    refuse_all(Way::Plain, 1).await;
}

#[tokio::test]
async fn what_is_malformed_is_refused_in_pieces() {
    refuse_all(Way::Plain, 7).await;
}

#[tokio::test]
async fn what_is_malformed_is_refused_over_tls_too() {
    refuse_all(Way::Tls, 10_000).await;
}

#[tokio::test]
async fn what_is_malformed_is_refused_over_tls_in_pieces() {
    refuse_all(Way::Tls, 7).await;
}

#[tokio::test]
async fn a_refusal_tells_the_log_what_is_known() {
    let gateway = Gateway::start(
        "client: { trusted_proxies: [127.0.0.0/8] }\nsites: [{ routes: [{ respond: { body: hello } }] }]\n",
    )
    .await;
    let head = "POST /in?token=secret HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: 192.0.2.7\r\n\
                User-Agent: odd\r\nAccept: application/problem+json\r\nContent-Length: x\r\n\r\n";
    let answer = tell(&gateway, head.as_bytes(), 10_000).await;
    assert!(answer.contains("\r\nContent-Type: application/problem+json\r\n"), "{answer}");
    assert!(answer.contains("\"reason\":\"invalid_length\""), "{answer}");
    let line = gateway.stop().await.remove(0);
    for (field, value) in [
        ("client", "192.0.2.7"),
        ("method", "POST"),
        ("uri", "/in?token=[redacted]"),
        ("host", "app.test"),
        ("user_agent", "odd"),
        ("reason", "invalid_length"),
    ] {
        assert_eq!(line[field], value, "{field}");
    }
    assert!(line["request_id"].as_str().is_some_and(|id| id.len() == 32));
}

/// A client that goes on sending gets to read the answer all the same.
#[tokio::test]
async fn a_refusal_is_read_by_a_client_that_is_still_sending() {
    let gateway = Gateway::start("sites: [{ routes: [{ respond: { body: hello } }] }]\n").await;
    for _ in 0..20 {
        let mut wire = Wire::connect(gateway.address()).await;
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000, 40000\r\n\r\n";
        wire.write(head.to_owned() + &"x".repeat(40_000)).await;
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with('}'), "{answer}");
    }
}

#[tokio::test]
async fn good_requests_on_one_connection_come_through_however_they_are_cut() {
    let origin = Recorder::start().await;
    let gateway = in_front_of(origin.address(), "{}").await;
    for piece in [1, 7, 10_000] {
        let mut wire = Wire::connect(gateway.address()).await;
        for request in [
            "GET /one HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nPOST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "POST /three HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "GET /four HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            for piece in request.as_bytes().chunks(piece) {
                wire.write(piece).await;
            }
            let head = wire.read_head().await;
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{request:?} in {piece}: {head}");
            assert_eq!(wire.read_exactly(2).await, "ok");
        }
    }
}

/// Requests that are sent ahead are answered in order, one after the other; the first that is malformed ends it.
#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_order() {
    let ahead = "POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
                 GET /two HTTP/1.1\r\nHost: x\r\n\r\n\
                 POST /three HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
                 GET /four HTTP/1.1\r\nHost: x\r\n\r\n\
                 GET /five HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n\
                 GET /six HTTP/1.1\r\nHost: x\r\n\r\n";
    for piece in [1, 13, 10_000] {
        let origin = Recorder::start().await;
        let gateway = in_front_of(origin.address(), "{}").await;
        let answer = tell(&gateway, ahead.as_bytes(), piece).await;
        let statuses: Vec<_> =
            answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
        assert_eq!(statuses, ["200", "200", "200", "200", "400"], "{answer}");
        let seen = origin.seen();
        let paths: Vec<_> = ["/one", "/two", "/three", "/four"].iter().map(|path| seen.find(path)).collect();
        assert!(paths.is_sorted() && paths[0].is_some(), "{seen}");
        assert!(!seen.contains("/five") && !seen.contains("/six"), "{seen}");
    }
}

/// A tunnel's first frames may come with the handshake, and an upgrade to anything else is not one.
#[tokio::test]
async fn an_upgrade_that_is_not_a_websockets_is_ignored() {
    let origin = Recorder::start().await;
    let gateway = in_front_of(origin.address(), "{}").await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write(head).await;
    assert!(wire.read_head().await.starts_with("HTTP/1.1 200 OK\r\n"));
    let seen = origin.seen().to_ascii_lowercase();
    assert!(!seen.contains("upgrade") && !seen.contains("http2-settings"), "{seen}");
}

#[tokio::test]
async fn underscores_are_dropped_unless_they_are_wanted() {
    let origin = Origin::fixed("hello").await;
    for (limits, status, seen) in [
        ("{}", 200, false),
        ("{ underscore_headers: drop }", 200, false),
        ("{ underscore_headers: allow }", 200, true),
        ("{ underscore_headers: refuse }", 400, false),
    ] {
        let gateway = in_front_of(origin.address(), limits).await;
        let before = origin.requests().len();
        let call =
            Client::to(gateway.address()).get("/").header("x_forwarded_for", "1").header("x-kept", "1");
        call.send().await.assert_status(status);
        let requests = origin.requests().split_off(before);
        assert_eq!(requests.len(), usize::from(status == 200), "{limits}");
        for request in requests {
            assert_eq!(request.header("x_forwarded_for").is_some(), seen, "{limits}");
            assert_eq!(request.header("x-kept"), Some("1"), "{limits}");
        }
        let log = gateway.stop().await;
        assert_eq!(log[0]["reason"] == "underscore_header", status == 400, "{limits}");
    }
}
