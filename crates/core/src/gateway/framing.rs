//! How a client learns where the body of a response ends (RFC 9112, 6.3).

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};

use crate::Context;
use crate::head::ResponseHead;

/// Whether a response with this status may have a body (RFC 9110, 6.4.1).
pub(crate) fn may_have_body(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

/// An HTTP/1.0 client knows no chunks: its response ends with the connection (RFC 9112, 6.1).
pub(crate) fn spare_old_clients(res: &mut ResponseHead, cx: &Context) {
    if cx.request_line().version < Version::HTTP_11 {
        res.headers.remove(TRANSFER_ENCODING);
    }
}

/// Says that a body comes in chunks when nothing in the head says how long it is. A filter that changes a body takes its
/// length away and leaves the rest to this. HTTP/2 has frames of its own, and HTTP/1.0 the end of the connection.
pub(crate) fn delimit(res: &mut ResponseHead, cx: &Context) {
    let line = cx.request_line();
    let is_told = res.headers.contains_key(CONTENT_LENGTH) || res.headers.contains_key(TRANSFER_ENCODING);
    if line.version == Version::HTTP_11
        && line.method != Method::HEAD
        && !is_told
        && may_have_body(res.status)
    {
        res.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
