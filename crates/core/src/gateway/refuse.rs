//! Answers and logs the requests that never become one for Pingora: those whose head the stream refuses.
//!
//! No site was asked, so no filter sees the answer. Whatever can be made out of the head goes into the log.

use std::borrow::Cow;

use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};

use super::Swap;
use crate::access_log::{Record, redact};
use crate::front::{Refusal, Refusals, Refused};
use crate::head::RequestHead;
use crate::reply::Representation;
use crate::{Context, Outcome};

/// What stands in the log for a method or a target that is not there.
const NOTHING: &str = "-";
/// Lines of a head that are looked at. What is refused for having too many is not worth more.
const MOST_LINES: usize = 128;

impl<S: Send + Sync> Refusals for Swap<S> {
    fn answer(&self, refused: &Refused<'_>) -> Vec<u8> {
        let Refused { connection, refusal, head, duration } = *refused;
        let settings = &self.load().settings;
        let (line, parsed) = glance(head);
        let mut cx = Context::unknown();
        cx.arrive_on(connection.clone(), connection.tls().is_some());
        cx.learn(&parsed, &settings.trusted_proxies, false);

        let form = Representation::preferred(&parsed.headers);
        let body = form.write(refusal.status(), refusal.sentence(), Some(refusal.reason()));
        let is_head = line.method == "HEAD";
        let bytes_sent = if is_head { 0 } else { body.len() as u64 };
        if let Some(access_log) = &settings.access_log {
            let (status, reason) = (Some(refusal.status()), Some(refusal.reason()));
            let outcome = Outcome { status, reason, duration, bytes_received: 0, bytes_sent };
            access_log.write(&Record {
                method: &line.method,
                uri: redact::uri(&line.target),
                ..Record::of(&cx, &parsed.headers, &outcome, "http")
            });
        }
        respond(refusal, form, if is_head { &[] } else { &body }, body.len())
    }
}

/// The first line as it is logged.
struct Line<'a> {
    method: Cow<'a, str>,
    target: Cow<'a, str>,
}

/// Makes out what can be made out. Nothing is decided by it.
fn glance(head: &[u8]) -> (Line<'_>, RequestHead) {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let mut words = first.split(|byte| *byte == b' ');
    let method = words.next().filter(|word| Method::from_bytes(word).is_ok() && word.len() <= 32);
    let target = words.next().filter(|word| method.is_some() && !word.is_empty());
    let text = |word: Option<_>| word.map_or(Cow::Borrowed(NOTHING), String::from_utf8_lossy);

    let (mut parsed, ()) = http::Request::new(()).into_parts();
    parsed.method = method.and_then(|method| Method::from_bytes(method).ok()).unwrap_or_default();
    parsed.uri = target.and_then(|target| Uri::try_from(target).ok()).unwrap_or_default();
    // What follows the head is a stranger's: it may look like a trusted proxy's word.
    for line in lines.take_while(|line| !line.is_empty()).take(MOST_LINES) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), value) {
            parsed.headers.append(name, value);
        }
    }
    (Line { method: text(method), target: text(target) }, parsed)
}

/// The response as it is sent. What the client meant to say next can only be guessed, so the connection closes.
fn respond(refusal: Refusal, form: Representation, body: &[u8], length: usize) -> Vec<u8> {
    let status = refusal.status();
    let kind = form.content_type();
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        kind.to_str().unwrap_or_default(),
    );
    let mut response = head.into_bytes();
    response.extend_from_slice(body);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_no_header() {
        let (_, parsed) = glance(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nX-Forwarded-For: 192.0.2.1\r\n");
        assert_eq!(parsed.headers.len(), 1, "{:?}", parsed.headers);
    }

    #[test]
    fn what_can_be_made_out_is_made_out() {
        type Row = (&'static [u8], &'static str, &'static str, Option<&'static str>, &'static str);
        let rows: [Row; 6] = [
            (b"GET /a?b HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", "GET", "/a?b", Some("a"), "a good line"),
            (b"\r\nPOST /\r\nHost: b\r\n", "POST", "/", Some("b"), "an empty line before"),
            (b"GET /half", "GET", "/half", None, "not all of it"),
            (b"\x16\x03\x01\x02", "-", "-", None, "no HTTP"),
            (b"", "-", "-", None, "nothing"),
            (b"GET  /x HTTP/1.1\nHost: c\n\n", "GET", "-", Some("c"), "two spaces"),
        ];
        for (head, method, target, host, row) in rows {
            let (line, parsed) = glance(head);
            assert_eq!((&*line.method, &*line.target), (method, target), "{row}");
            assert_eq!(
                parsed.headers.get("host").map(HeaderValue::as_bytes),
                host.map(str::as_bytes),
                "{row}"
            );
        }
    }
}
