//! The reply to a request for a file that is there.

use bytes::Bytes;
use futures_util::stream;
use headwall_core::{LocalReply, RequestHead};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, ETAG, LAST_MODIFIED, RANGE, VARY,
};
use http::{HeaderValue, Method, StatusCode};

use crate::body::{FileBody, Part};
use crate::conditions::{Verdict, weigh};
use crate::finder::Contents;
use crate::listing::Form;
use crate::range::{Span, Wanted};
use crate::resource::{Resource, Variant};

const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");
const ACCEPT: HeaderValue = HeaderValue::from_static("Accept");
/// A directory changes without telling.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// What a request comes to, before anything is read.
#[derive(Debug)]
pub(crate) enum Plan {
    /// 412.
    Failed,
    /// 304.
    NotModified,
    /// 416.
    NoSuchRange,
    /// 200, for a HEAD.
    Head,
    /// 200.
    Whole,
    /// 206, one part.
    One(Span),
    /// 206, several parts.
    Several(Vec<Span>),
}

// === impl Plan ===

impl Plan {
    pub(crate) fn new(variant: &Variant, req: &RequestHead) -> Self {
        let range = match weigh(&req.headers, &variant.validators) {
            Verdict::Failed => return Self::Failed,
            Verdict::NotModified => return Self::NotModified,
            // A range is defined for GET alone (RFC 9110, 14.2).
            Verdict::Proceed { .. } if req.method == Method::HEAD => return Self::Head,
            Verdict::Proceed { range } => req.headers.get(RANGE).filter(|_| range),
        };
        match Wanted::read(range, variant.stamp.size) {
            Wanted::Whole => Self::Whole,
            Wanted::Nothing => Self::NoSuchRange,
            Wanted::One(span) => Self::One(span),
            Wanted::Several(spans) => Self::Several(spans),
        }
    }

    /// Whether the file has to be opened.
    pub(crate) fn needs_contents(&self) -> bool {
        matches!(self, Self::Whole | Self::One(_) | Self::Several(_))
    }

    pub(crate) fn carry_out(
        self,
        resource: &Resource,
        variant: &Variant,
        contents: Option<Contents>,
    ) -> LocalReply {
        let size = variant.stamp.size;
        let reply = match (self, contents) {
            (Self::Failed, _) => {
                let reply = LocalReply::error(StatusCode::PRECONDITION_FAILED, "precondition_failed");
                return reply.message("The file is not the one that was asked for any more.");
            }
            (Self::NoSuchRange, _) => {
                let reply = LocalReply::error(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable");
                let reply = reply.message("The file does not have these bytes.");
                return reply.header(CONTENT_RANGE, value(format!("bytes */{size}")));
            }
            (Self::NotModified, _) => LocalReply::new(StatusCode::NOT_MODIFIED),
            // Nobody asks the stream of a reply to HEAD for anything.
            (Self::Head, _) | (_, None) => {
                LocalReply::sized_stream(StatusCode::OK, resource.content_type.clone(), size, stream::empty())
            }
            (Self::Whole, Some(contents)) => {
                let whole = Part::Span(Span { start: 0, end: size });
                let reply =
                    body(StatusCode::OK, resource.content_type.clone(), size, contents, vec![whole], variant);
                reply.header(ACCEPT_RANGES, BYTES)
            }
            (Self::One(span), Some(contents)) => {
                let (status, kind) = (StatusCode::PARTIAL_CONTENT, resource.content_type.clone());
                let reply = body(status, kind, span.length(), contents, vec![Part::Span(span)], variant);
                reply.header(CONTENT_RANGE, value(span.content_range(size)))
            }
            (Self::Several(spans), Some(contents)) => {
                let boundary = format!("{:032x}", fastrand::u128(..));
                let parts = multipart(&spans, &boundary, &resource.content_type, size);
                let length = parts.iter().map(Part::length).sum();
                let kind = value(format!("multipart/byteranges; boundary={boundary}"));
                body(StatusCode::PARTIAL_CONTENT, kind, length, contents, parts, variant)
            }
        };
        described(reply, resource, variant)
    }
}

/// What every reply says of its file, a 304 too (RFC 9110, 15.4.5).
fn described(reply: LocalReply, resource: &Resource, variant: &Variant) -> LocalReply {
    let mut reply = reply.header(ETAG, variant.validators.tag.clone());
    if let Some((_, modified)) = &variant.validators.modified {
        reply = reply.header(LAST_MODIFIED, modified.clone());
    }
    if let Some(cache_control) = &resource.cache_control {
        reply = reply.header(CACHE_CONTROL, cache_control.clone());
    }
    if !resource.encoded.is_empty() {
        reply = reply.added(VARY, ACCEPT_ENCODING);
    }
    match variant.encoding {
        Some(encoding) if reply.status() != StatusCode::NOT_MODIFIED => {
            reply.header(CONTENT_ENCODING, encoding.header())
        }
        Some(_) | None => reply,
    }
}

/// Parts of a file as the body of a reply.
fn body(
    status: StatusCode,
    content_type: HeaderValue,
    length: u64,
    contents: Contents,
    parts: Vec<Part>,
    variant: &Variant,
) -> LocalReply {
    match contents {
        Contents::Whole(bytes) => LocalReply::bytes(status, content_type, join(&bytes, parts)),
        Contents::Open(source) => LocalReply::sized_stream(
            status,
            content_type,
            length,
            FileBody::new(source, parts, &variant.path),
        ),
    }
}

fn join(bytes: &Bytes, parts: Vec<Part>) -> Bytes {
    let piece = |part: Part| match part {
        Part::Text(text) => text,
        Part::Span(Span { start, end }) => {
            let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            bytes.slice(index(start)..index(end))
        }
    };
    let mut pieces = parts.into_iter().map(piece);
    match (pieces.next(), pieces.next()) {
        (Some(only), None) => only,
        (first, second) => first.into_iter().chain(second).chain(pieces).flatten().collect(),
    }
}

/// RFC 9110, 14.6.
fn multipart(spans: &[Span], boundary: &str, content_type: &HeaderValue, size: u64) -> Vec<Part> {
    let kind = content_type.to_str().unwrap_or_default();
    let mut parts = Vec::with_capacity(2 * spans.len() + 1);
    for span in spans {
        let range = span.content_range(size);
        let head = format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {range}\r\n\r\n");
        parts.extend([Part::Text(head.into()), Part::Span(*span)]);
    }
    parts.push(Part::Text(format!("\r\n--{boundary}--\r\n").into()));
    parts
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Span(span) => span.length(),
        }
    }
}

/// A directory's entries.
pub(crate) fn listing(form: Form, page: Bytes) -> LocalReply {
    LocalReply::bytes(StatusCode::OK, form.content_type(), page)
        .header(CACHE_CONTROL, NO_CACHE)
        .added(VARY, ACCEPT)
}

/// Text of digits and words that are header text.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
