//! Errors for clients of gRPC.
//!
//! Such a client looks for a status in trailers, and takes whatever else it gets for a broken server. An error that is made
//! here is therefore answered as a server of gRPC answers one before it has said anything: 200, with the status among the
//! headers ("Trailers-Only", PROTOCOL-HTTP2 of gRPC). gRPC-Web has the same form, under its own type and over any version of
//! HTTP; a call of it that a filter has translated looks like one of gRPC by now. Log and metrics keep the reason.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};

use super::Body;
use crate::LocalReply;
use crate::head::RequestHead;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC: &str = "application/grpc";
/// The types of gRPC-Web, the longer first.
const WEB: [&str; 2] = ["application/grpc-web-text", "application/grpc-web"];

/// Turns an error into one that a client of gRPC understands, if it is one that asks.
pub(crate) fn answer(req: &RequestHead, reply: LocalReply) -> LocalReply {
    let Some(content_type) = spoken(req) else {
        return reply;
    };
    let (status, mut headers, body) = reply.into_parts();
    let Body::Error(sentence) = body else {
        return LocalReply { status, reason: None, headers, body };
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code(status)));
    // Whatever is in our sentences needs no escaping; one that does is left out.
    if sentence.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%')
        && let Ok(message) = HeaderValue::from_str(&sentence)
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    LocalReply { status: StatusCode::OK, reason: None, headers, body: Body::Full(bytes::Bytes::new()) }
}

/// The type in which the client of a call is answered; `None` for a request that is no call.
fn spoken(req: &RequestHead) -> Option<&'static str> {
    let content_type = req.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes)?;
    if !content_type.starts_with(GRPC.as_bytes()) {
        return None;
    }
    let is = |known: &&str| {
        let rest = content_type.strip_prefix(known.as_bytes());
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    };
    WEB.into_iter().chain([GRPC]).find(is)
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

    fn asked(content_type: &str, status: u16) -> LocalReply {
        let mut req = crate::head::tests::request("POST", "/a.Service/Method");
        req.headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
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
            let reply = asked("application/grpc+proto", status);
            assert_eq!(reply.status(), 200, "{word}");
            assert_eq!(reply.headers()[GRPC_STATUS], code, "{word}");
            assert_eq!(reply.headers()[CONTENT_TYPE], GRPC, "{word}");
            assert!(reply.headers().contains_key(GRPC_MESSAGE), "{word}");
        }
    }

    #[test]
    fn each_form_is_answered_in_itself() {
        let rows = [
            ("application/grpc;charset=utf-8", Some(GRPC), "gRPC"),
            ("application/grpc-web+proto", Some("application/grpc-web"), "gRPC-Web"),
            ("application/grpc-web-text", Some("application/grpc-web-text"), "gRPC-Web as text"),
            ("application/grpc-webby", None, "something else"),
            ("application/json", None, "no gRPC"),
        ];
        for (content_type, answered, row) in rows {
            let reply = asked(content_type, 503);
            let found = reply.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap());
            assert_eq!((found, reply.status() == 200), (answered, answered.is_some()), "{row}");
        }
    }
}
