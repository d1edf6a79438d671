//! Errors for clients of gRPC.
//!
//! Such a client looks for a status in trailers, and takes whatever else it gets for a broken server. An error that is made
//! here is therefore answered as a server of gRPC answers one before it has said anything: 200, with the status among the
//! headers ("Trailers-Only", PROTOCOL-HTTP2 of gRPC). Log and metrics keep the reason.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode, Version};

use super::Body;
use crate::LocalReply;
use crate::head::RequestHead;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC: &str = "application/grpc";

/// Turns an error into one that a client of gRPC understands, if it is one that asks.
pub(crate) fn answer(req: &RequestHead, reply: LocalReply) -> LocalReply {
    if req.version < Version::HTTP_2 || !is_grpc(req) {
        return reply;
    }
    let (status, mut headers, body) = reply.into_parts();
    let Body::Error(sentence) = body else {
        return LocalReply { status, reason: None, headers, body };
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code(status)));
    // Whatever is in our sentences needs no escaping; one that does is left out.
    if sentence.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%')
        && let Ok(message) = HeaderValue::from_str(&sentence)
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    LocalReply { status: StatusCode::OK, reason: None, headers, body: Body::Full(bytes::Bytes::new()) }
}

/// Whether a request is one of gRPC, and not of gRPC-Web, which has another form.
fn is_grpc(req: &RequestHead) -> bool {
    let content_type = req.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = content_type.and_then(|text| text.strip_prefix(GRPC.as_bytes()));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The table of "HTTP to gRPC Status Code Mapping", where it knows a status; what it leaves to UNKNOWN is said more clearly
/// where there is a word for it.
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 413 | 414 | 431 => "3",
        401 => "16",
        403 => "7",
        404 => "12",
        408 | 504 => "4",
        429 => "8",
        500 => "13",
        502 | 503 => "14",
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(content_type: &str, version: Version, status: u16) -> LocalReply {
        let mut req = crate::head::tests::request("POST", "/a.Service/Method");
        req.headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        req.version = version;
        answer(&req, LocalReply::error(StatusCode::from_u16(status).unwrap(), "reason"))
    }

    #[test]
    fn errors_have_the_words_of_grpc() {
        let rows = [
            (401, "16", "UNAUTHENTICATED"),
            (403, "7", "PERMISSION_DENIED"),
            (404, "12", "UNIMPLEMENTED"),
            (413, "3", "INVALID_ARGUMENT"),
            (429, "8", "RESOURCE_EXHAUSTED"),
            (500, "13", "INTERNAL"),
            (502, "14", "UNAVAILABLE"),
            (503, "14", "UNAVAILABLE"),
            (504, "4", "DEADLINE_EXCEEDED"),
            (418, "2", "UNKNOWN"),
        ];
        for (status, code, word) in rows {
            let reply = asked("application/grpc+proto", Version::HTTP_2, status);
            assert_eq!(reply.status(), 200, "{word}");
            assert_eq!(reply.headers()[GRPC_STATUS], code, "{word}");
            assert_eq!(reply.headers()[CONTENT_TYPE], GRPC, "{word}");
            assert!(reply.headers().contains_key(GRPC_MESSAGE), "{word}");
        }
    }

    #[test]
    fn others_get_what_they_understand() {
        let rows = [
            ("application/json", Version::HTTP_2, "no gRPC"),
            ("application/grpc-web", Version::HTTP_2, "gRPC-Web has a form of its own"),
            ("application/grpc", Version::HTTP_11, "gRPC is HTTP/2"),
        ];
        for (content_type, version, row) in rows {
            assert_eq!(asked(content_type, version, 503).status(), 503, "{row}");
        }
    }
}
