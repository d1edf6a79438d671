//! An answer from what is kept.

use std::time::Instant;

use bytes::Bytes;
use headwall_core::{LocalReply, RequestHead, ResponseHead};
use http::header::{ACCEPT_RANGES, AGE, CONTENT_LENGTH, CONTENT_RANGE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use crate::conditional;
use crate::entry::Entry;
use crate::range::{Wanted, wanted};

/// What a client is answered from an entry: all of it, the part that it wants, or that it has it already.
pub(crate) fn from_entry(entry: &Entry, req: &RequestHead, now: Instant) -> LocalReply {
    let mut head = blank(entry.status, entry.headers.clone());
    head.headers.insert(AGE, HeaderValue::from(entry.freshness.age(now).as_secs()));
    if entry.status != StatusCode::OK {
        return LocalReply::of(head, entry.body.clone());
    }
    if conditional::is_known(&req.headers, &head.headers) {
        return not_modified(head);
    }
    head.headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = entry.body.len();
    // Ranges are for GET alone (RFC 9110, 14.2).
    let wanted = match req.method {
        Method::GET => wanted(&req.headers, &entry.headers, length),
        _ => Wanted::Whole,
    };
    let span = |span: String| HeaderValue::try_from(span).unwrap_or(HeaderValue::from_static("bytes */*"));
    match wanted {
        Wanted::Whole => LocalReply::of(head, entry.body.clone()),
        Wanted::Part(part) => {
            let (first, last) = (part.start, part.end - 1);
            head.status = StatusCode::PARTIAL_CONTENT;
            head.headers.insert(CONTENT_RANGE, span(format!("bytes {first}-{last}/{length}")));
            LocalReply::of(head, entry.body.slice(part))
        }
        Wanted::Nothing => {
            conditional::strip(&mut head.headers);
            head.status = StatusCode::RANGE_NOT_SATISFIABLE;
            head.headers.insert(CONTENT_RANGE, span(format!("bytes */{length}")));
            LocalReply::of(head, Bytes::new())
        }
    }
}

/// Whether a client that is given a new answer has it already.
pub(crate) fn is_known(req: &RequestHead, head: &ResponseHead) -> bool {
    head.status == StatusCode::OK && conditional::is_known(&req.headers, &head.headers)
}

/// Tells that.
pub(crate) fn not_modified(mut head: ResponseHead) -> LocalReply {
    conditional::strip(&mut head.headers);
    head.headers.remove(CONTENT_LENGTH);
    head.status = StatusCode::NOT_MODIFIED;
    LocalReply::of(head, Bytes::new())
}

fn blank(status: StatusCode, headers: HeaderMap) -> ResponseHead {
    let (mut head, ()) = http::Response::new(()).into_parts();
    (head.status, head.headers) = (status, headers);
    head
}
