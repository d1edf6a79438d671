//! The reply to a request for a file that is there.

use bytes::Bytes;
use futures_util::stream;
use headwall_core::semantics::{Multipart, Part, Span, Verdict, Wanted};
use headwall_core::{LocalReply, RequestHead};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, ETAG, LAST_MODIFIED, VARY,
};
use http::{HeaderValue, Method, StatusCode};

use crate::body::FileBody;
use crate::finder::Contents;
use crate::listing::Form;
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
    /// 200, for a HEAD.
    Head,
    /// 200, 206 or 416.
    Content(Wanted),
}

// === impl Plan ===

impl Plan {
    pub(crate) fn new(variant: &Variant, req: &RequestHead) -> Self {
        match Verdict::at_origin(&req.headers, &variant.validators.current()) {
            Verdict::Failed => Self::Failed,
            Verdict::NotModified => Self::NotModified,
            // A range is defined for GET alone (RFC 9110, 14.2).
            Verdict::Proceed { .. } if req.method == Method::HEAD => Self::Head,
            Verdict::Proceed { range: true } => Self::Content(Wanted::of(&req.headers, variant.stamp.size)),
            Verdict::Proceed { range: false } => Self::Content(Wanted::Whole),
        }
    }

    /// Whether the file has to be opened.
    pub(crate) fn needs_contents(&self) -> bool {
        matches!(self, Self::Content(wanted) if *wanted != Wanted::Nothing)
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
            (Self::Content(Wanted::Nothing), _) => {
                let reply = LocalReply::error(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable");
                let reply = reply.message("The file does not have these bytes.");
                return reply.header(CONTENT_RANGE, value(format!("bytes */{size}")));
            }
            (Self::NotModified, _) => LocalReply::new(StatusCode::NOT_MODIFIED),
            // Nobody asks the stream of a reply to HEAD for anything.
            (Self::Head, _) | (_, None) => {
                LocalReply::sized_stream(StatusCode::OK, resource.content_type.clone(), size, stream::empty())
            }
            (Self::Content(wanted), Some(contents)) => content(&wanted, contents, resource, variant),
        };
        described(reply, resource, variant)
    }
}

fn content(wanted: &Wanted, contents: Contents, resource: &Resource, variant: &Variant) -> LocalReply {
    let (kind, size) = (&resource.content_type, variant.stamp.size);
    match wanted {
        Wanted::Whole | Wanted::Nothing => {
            let whole = Span { start: 0, end: size };
            one(StatusCode::OK, whole, contents, kind, variant).header(ACCEPT_RANGES, BYTES)
        }
        Wanted::One(span) => one(StatusCode::PARTIAL_CONTENT, *span, contents, kind, variant)
            .header(CONTENT_RANGE, value(span.content_range(size))),
        Wanted::Several(spans) => {
            let multipart = Multipart::new(spans, fastrand::u128(..), Some(kind), size);
            let (status, kind) = (StatusCode::PARTIAL_CONTENT, multipart.content_type.clone());
            match contents {
                Contents::Whole(bytes) => LocalReply::bytes(status, kind, multipart.fill(&bytes)),
                Contents::Open(source) => {
                    let body = FileBody::new(source, multipart.pieces, &variant.path);
                    LocalReply::sized_stream(status, kind, multipart.length, body)
                }
            }
        }
    }
}

/// One part of a file, which may be all of it.
fn one(
    status: StatusCode,
    span: Span,
    contents: Contents,
    content_type: &HeaderValue,
    variant: &Variant,
) -> LocalReply {
    let content_type = content_type.clone();
    match contents {
        Contents::Whole(bytes) => {
            LocalReply::bytes(status, content_type, bytes.slice(span.within(bytes.len())))
        }
        Contents::Open(source) => {
            let body = FileBody::new(source, [Part::Span(span)], &variant.path);
            LocalReply::sized_stream(status, content_type, span.length(), body)
        }
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
