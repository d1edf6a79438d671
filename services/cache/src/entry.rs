//! An answer that is kept.

use std::time::SystemTime;

use bytes::Bytes;
use headwall_core::ResponseHead;
use headwall_core::semantics::date;
use http::header::{AGE, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

use crate::freshness::Freshness;
use crate::storable::{Rules, Storable};
use crate::vary::Selection;
use crate::way::Way;

/// What an entry takes beside its texts.
const OVERHEAD: usize = 512;
/// What one header takes beside its text.
const OF_HEADER: usize = 64;

/// An answer that is kept, with what it is for.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) freshness: Freshness,
    pub(crate) rules: Rules,
    pub(crate) way: Way,
    pub(crate) selection: Selection,
}

// === impl Entry ===

impl Entry {
    /// Keeps the answer that a request got on its way.
    pub(crate) fn new(
        head: &ResponseHead,
        body: Bytes,
        storable: &Storable,
        request: &HeaderMap,
        way: Way,
    ) -> Self {
        Self {
            status: head.status,
            headers: kept(&head.headers, storable),
            body,
            freshness: storable.freshness,
            rules: storable.rules,
            way,
            selection: Selection::of(&storable.vary, request),
        }
    }

    /// The same answer after its server has said that it is still good: what the server has said anew counts, but for what
    /// belongs to the body (RFC 9111, 3.2).
    pub(crate) fn refreshed(&self, headers: &HeaderMap, storable: &Storable) -> Self {
        Self {
            status: self.status,
            headers: kept(headers, storable),
            body: self.body.clone(),
            freshness: storable.freshness,
            rules: storable.rules,
            way: self.way.clone(),
            selection: self.selection.clone(),
        }
    }

    /// The head that the kept one becomes by a 304.
    pub(crate) fn merged(&self, update: &HeaderMap) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in update.keys().filter(|name| !is_of_body(name)) {
            headers.remove(name);
            for value in update.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers
    }

    /// Whether it is for such a request on this way.
    pub(crate) fn is_for(&self, way: &Way, request: &HeaderMap) -> bool {
        self.way == *way && self.selection.matches(request)
    }

    /// Whether the two are for the same requests.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        self.way == other.way && self.selection == other.selection
    }

    /// How much memory it takes.
    pub(crate) fn size(&self) -> usize {
        let header =
            |(name, value): (&HeaderName, &HeaderValue)| OF_HEADER + name.as_str().len() + value.len();
        OVERHEAD + self.body.len() + self.selection.size() + self.headers.iter().map(header).sum::<usize>()
    }
}

/// The head as it is kept. Its texts are copied, because they may be small pieces of large buffers.
fn kept(headers: &HeaderMap, storable: &Storable) -> HeaderMap {
    const OF_ONE_ANSWER: [HeaderName; 4] = [AGE, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING];
    let mut kept = HeaderMap::with_capacity(headers.len() + 1);
    for (name, value) in headers {
        if OF_ONE_ANSWER.contains(name) || storable.without.contains(name) {
            continue;
        }
        // What was a header is one.
        let copy = HeaderName::from_bytes(name.as_str().as_bytes()).ok();
        if let Some((name, value)) = copy.zip(HeaderValue::from_bytes(value.as_bytes()).ok()) {
            kept.append(name, value);
        }
    }
    if !kept.contains_key(DATE) {
        // RFC 9110, 6.6.1: whoever keeps an answer without a date gives it one.
        kept.extend(date::write(SystemTime::now()).map(|now| (DATE, now)));
    }
    kept
}

/// What tells how the body is written. A 304 has none, and cannot know.
fn is_of_body(name: &HeaderName) -> bool {
    const OF_BODY: [&str; 5] =
        ["content-encoding", "content-length", "content-range", "content-type", "transfer-encoding"];
    OF_BODY.contains(&name.as_str())
}
