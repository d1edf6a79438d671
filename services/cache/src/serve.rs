//! An answer from what is kept.

use std::time::Instant;

use bytes::Bytes;
use futures_util::Stream;
use headwall_core::semantics::{Multipart, Span, Validators, Verdict, Wanted};
use headwall_core::{LocalReply, RequestHead, ResponseHead};
use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HeaderName, HeaderValue,
};
use http::{HeaderMap, Method, StatusCode};

use crate::cut::cut;
use crate::entry::Entry;
use crate::fill::Piece;

/// What a client is answered from an entry: all of it, the parts that it wants, or that it has it already.
pub(crate) fn from_entry(entry: &Entry, req: &RequestHead, now: Instant) -> LocalReply {
    let mut head = blank(entry.status, entry.headers.clone());
    head.headers.insert(AGE, HeaderValue::from(entry.freshness.age(now).as_secs()));
    let length = entry.body.len();
    let Some(wanted) = wanted(req, &head, Some(length as u64)) else { return not_modified(head) };
    if head.status == StatusCode::OK {
        head.headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    match wanted {
        Wanted::Whole => LocalReply::of(head, entry.body.clone()),
        Wanted::One(span) => {
            partial(&mut head, span, length as u64);
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
        Wanted::Nothing => not_satisfiable(head, length as u64),
    }
}

/// The same from an answer on its way. Several parts are the whole then: they may be wanted in another order than it comes in.
pub(crate) fn from_stream(
    mut head: ResponseHead,
    req: &RequestHead,
    pieces: impl Stream<Item = Piece> + Unpin + Send + Sync + 'static,
) -> LocalReply {
    let length = length(&head.headers);
    match (wanted(req, &head, length), length) {
        (None, _) => not_modified(head),
        (Some(Wanted::One(span)), Some(length)) => {
            partial(&mut head, span, length);
            head.headers.insert(CONTENT_LENGTH, span.length().into());
            LocalReply::streamed(head, cut(pieces, span))
        }
        (Some(Wanted::Nothing), Some(length)) => not_satisfiable(head, length),
        (Some(_), _) => LocalReply::streamed(head, pieces),
    }
}

/// How long the body is, if the head says so.
pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What a client wants of an answer; `None` when it has it already.
fn wanted(req: &RequestHead, head: &ResponseHead, length: Option<u64>) -> Option<Wanted> {
    if head.status != StatusCode::OK {
        return Some(Wanted::Whole);
    }
    match Verdict::in_cache(&req.headers, &Validators::of(&head.headers)) {
        Verdict::NotModified => None,
        // Ranges are for GET alone (RFC 9110, 14.2).
        Verdict::Proceed { range: true } if req.method == Method::GET => {
            Some(length.map_or(Wanted::Whole, |length| Wanted::of(&req.headers, length)))
        }
        Verdict::Proceed { .. } | Verdict::Failed => Some(Wanted::Whole),
    }
}

fn not_modified(mut head: ResponseHead) -> LocalReply {
    strip(&mut head.headers);
    head.status = StatusCode::NOT_MODIFIED;
    LocalReply::of(head, Bytes::new())
}

fn partial(head: &mut ResponseHead, span: Span, length: u64) {
    head.status = StatusCode::PARTIAL_CONTENT;
    head.headers.insert(CONTENT_RANGE, value(span.content_range(length)));
}

fn not_satisfiable(mut head: ResponseHead, length: u64) -> LocalReply {
    strip(&mut head.headers);
    head.status = StatusCode::RANGE_NOT_SATISFIABLE;
    head.headers.insert(CONTENT_RANGE, value(format!("bytes */{length}")));
    LocalReply::of(head, Bytes::new())
}

/// Text of digits and words that are header text.
fn value(range: String) -> HeaderValue {
    HeaderValue::try_from(range).unwrap_or(HeaderValue::from_static("bytes */*"))
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
