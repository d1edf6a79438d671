//! Which responses are worth compressing, and which must be left as they are.

use headwall_core::ResponseHead;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName,
};
use http::{HeaderMap, StatusCode};

use crate::MediaPattern;

/// Streams of messages, which have framing of their own and are not to be held back.
const NEVER: [&str; 2] = ["text/event-stream", "application/grpc"];

/// Digests of the content (RFC 9530 and its elders), which would be wrong of any other.
static DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Whether a response may be compressed, and should be for whoever can take it.
pub(crate) fn is_eligible(res: &ResponseHead, types: &[MediaPattern], min_size: u64) -> bool {
    has_whole_content(res.status)
        && !res.headers.contains_key(CONTENT_RANGE)
        && !is_encoded(&res.headers)
        && !DIGESTS.iter().any(|digest| res.headers.contains_key(digest))
        && length(&res.headers).is_none_or(|length| length >= min_size)
        && !is_not_to_be_transformed(&res.headers)
        && content_type(&res.headers).is_some_and(|essence| is_wanted(essence, types))
}

/// How long the body is, as far as the head says so.
pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn has_whole_content(status: StatusCode) -> bool {
    !status.is_informational()
        && ![StatusCode::NO_CONTENT, StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity")
}

/// RFC 9111, 5.2.2.6.
fn is_not_to_be_transformed(headers: &HeaderMap) -> bool {
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    directives
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}

fn is_wanted(essence: &str, types: &[MediaPattern]) -> bool {
    let is_never = NEVER.iter().any(|never| {
        let head = essence.get(..never.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(never))
    });
    !is_never && types.iter().any(|pattern| pattern.takes(essence))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn some_responses_are_left_as_they_are() {
        type Row = (u16, &'static [(&'static str, &'static str)], bool, &'static str);
        const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
        let rows: &[Row] = &[
            (200, &[HTML], true, "a page of unknown length"),
            (200, &[HTML, ("content-length", "1024")], true, "a page that is long enough"),
            (200, &[HTML, ("content-length", "1023")], false, "a page that is not"),
            (200, &[], false, "nobody says what it is"),
            (200, &[("content-type", "image/png")], false, "not in the list"),
            (404, &[HTML], true, "an error page"),
            (206, &[HTML], false, "a part"),
            (200, &[HTML, ("content-range", "bytes 0-1/2")], false, "a part by another status"),
            (204, &[HTML], false, "nothing"),
            (304, &[HTML], false, "nothing new"),
            (200, &[HTML, ("content-encoding", "br")], false, "encoded already"),
            (200, &[HTML, ("content-encoding", "identity")], true, "not really encoded"),
            (200, &[HTML, ("cache-control", "public, no-transform")], false, "its server forbids it"),
            (200, &[HTML, ("cache-control", "public")], true, "its server says nothing of it"),
            (200, &[HTML, ("content-digest", "sha-256=:AA==:")], false, "its digest would be wrong"),
            (200, &[("content-type", "text/event-stream")], false, "events, although text/* is in the list"),
            (200, &[("content-type", "Text/Event-Stream;charset=utf-8")], false, "the same"),
            (200, &[("content-type", "application/grpc+proto")], false, "gRPC, although application/* is"),
            (200, &[("content-type", "application/json")], true, "JSON"),
        ];
        let types = ["text/*".parse().unwrap(), "application/*".parse().unwrap()];
        for (status, headers, expected, row) in rows {
            assert_eq!(is_eligible(&response(*status, headers), &types, 1024), *expected, "{row}");
        }
    }
}
