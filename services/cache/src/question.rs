//! What an upstream is asked, for an answer that others get too.

use headwall_core::RequestHead;
use http::header::{
    CONTENT_LENGTH, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method};

use crate::entry::Entry;

/// What one client has or wants, and others do not.
const OF_ONE_CLIENT: [HeaderName; 6] =
    [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];

/// By these, some apps are asked for something else than the address says. No address is kept with an answer that one
/// client could choose for all others.
const MISLEADING: [HeaderName; 7] = [
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// The question for a whole answer.
pub(crate) fn whole(req: &RequestHead) -> RequestHead {
    let mut question = req.clone();
    question.method = Method::GET;
    for name in OF_ONE_CLIENT.iter().chain(&MISLEADING) {
        question.headers.remove(name);
    }
    question
}

/// The question whether what is kept is still good (RFC 9111, 4.3.1).
pub(crate) fn still(req: &RequestHead, entry: &Entry) -> RequestHead {
    let mut question = whole(req);
    for (validator, condition) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
        if let Some(value) = entry.headers.get(validator) {
            question.headers.insert(condition, value.clone());
        }
    }
    question
}

/// Whether a request is for one part of what is there. Several may be asked for in an order in which no body comes.
pub(crate) fn is_for_one_part(req: &RequestHead) -> bool {
    let is_one = |range: &[u8]| range.starts_with(b"bytes=") && !range.contains(&b',');
    req.method == Method::GET && req.headers.get(RANGE).is_some_and(|range| is_one(range.as_bytes()))
}

/// Whether a request can be answered from what is kept: it has no body, and it asks for no more than an answer.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    const MORE: [HeaderName; 3] = [
        TRANSFER_ENCODING,
        // Only the server itself can tell (RFC 9111, 4.3.2).
        IF_MATCH,
        IF_UNMODIFIED_SINCE,
    ];
    let has_body = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    !has_body && !MORE.iter().any(|name| headers.contains_key(name))
}
