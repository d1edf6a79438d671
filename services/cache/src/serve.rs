//! An answer from what is kept.

use std::time::Instant;

use bytes::Bytes;
use headwall_core::{LocalReply, RequestHead, ResponseHead};
use headwall_semantics::{Multipart, Validators, Verdict, Wanted};
use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HeaderName, HeaderValue,
};
use http::{HeaderMap, Method, StatusCode};

use crate::entry::Entry;

/// What a client is answered from an entry: all of it, the parts that it wants, or that it has it already.
pub(crate) fn from_entry(entry: &Entry, req: &RequestHead, now: Instant) -> LocalReply {
    let mut head = blank(entry.status, entry.headers.clone());
    head.headers.insert(AGE, HeaderValue::from(entry.freshness.age(now).as_secs()));
    if entry.status != StatusCode::OK {
        return LocalReply::of(head, entry.body.clone());
    }
    let length = entry.body.len();
    let wanted = match Verdict::in_cache(&req.headers, &Validators::of(&entry.headers)) {
        Verdict::NotModified => return not_modified(head),
        // Ranges are for GET alone (RFC 9110, 14.2).
        Verdict::Proceed { range: true } if req.method == Method::GET => {
            Wanted::of(&req.headers, length as u64)
        }
        Verdict::Proceed { .. } | Verdict::Failed => Wanted::Whole,
    };
    head.headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let value = |range: String| HeaderValue::try_from(range).unwrap_or(HeaderValue::from_static("bytes */*"));
    match wanted {
        Wanted::Whole => LocalReply::of(head, entry.body.clone()),
        Wanted::One(span) => {
            head.status = StatusCode::PARTIAL_CONTENT;
            head.headers.insert(CONTENT_RANGE, value(span.content_range(length as u64)));
            LocalReply::of(head, entry.body.slice(span.within(length)))
        }
        Wanted::Several(spans) => {
            let kind = entry.headers.get(CONTENT_TYPE);
            let multipart = Multipart::new(&spans, fastrand::u128(..), kind, length as u64);
            let body = multipart.fill(&entry.body);
            head.status = StatusCode::PARTIAL_CONTENT;
            head.headers.insert(CONTENT_TYPE, multipart.content_type);
            LocalReply::of(head, body)
        }
        Wanted::Nothing => {
            strip(&mut head.headers);
            head.status = StatusCode::RANGE_NOT_SATISFIABLE;
            head.headers.insert(CONTENT_RANGE, value(format!("bytes */{length}")));
            LocalReply::of(head, Bytes::new())
        }
    }
}

/// Whether a client that is given a new answer has it already.
pub(crate) fn is_known(req: &RequestHead, head: &ResponseHead) -> bool {
    let verdict = Verdict::in_cache(&req.headers, &Validators::of(&head.headers));
    head.status == StatusCode::OK && verdict == Verdict::NotModified
}

/// Tells that.
pub(crate) fn not_modified(mut head: ResponseHead) -> LocalReply {
    strip(&mut head.headers);
    head.status = StatusCode::NOT_MODIFIED;
    LocalReply::of(head, Bytes::new())
}

/// Takes out of a head what a 304 does not say (RFC 9110, 15.4.5).
fn strip(headers: &mut HeaderMap) {
    const ABOUT_CONTENT: [HeaderName; 5] =
        [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE];
    for name in ABOUT_CONTENT {
        headers.remove(name);
    }
}

fn blank(status: StatusCode, headers: HeaderMap) -> ResponseHead {
    let (mut head, ()) = http::Response::new(()).into_parts();
    (head.status, head.headers) = (status, headers);
    head
}
