//! What makes a request a WebSocket handshake (RFC 6455, 4.2.1), and an answer an acceptance (4.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use crate::LocalReply;
use crate::head::{RequestHead, ResponseHead};

/// RFC 6455, 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a request has to do with WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// It does not ask for WebSocket. It may offer another upgrade, which is ignored.
    None,
    /// It asks for WebSocket in a way that no server may accept; the sentence says why.
    Malformed(&'static str),
    /// It asks for WebSocket.
    Valid,
}

impl Handshake {
    /// Reads a request's head.
    pub fn of(req: &RequestHead) -> Self {
        if !lists(&req.headers, &UPGRADE, "websocket") {
            return Self::None;
        }
        let single = |name: &HeaderName| req.headers.get_all(name).iter().count() == 1;
        if req.method != Method::GET {
            return Self::Malformed("A WebSocket handshake is a GET request.");
        }
        if req.version != Version::HTTP_11 {
            return Self::Malformed("A WebSocket handshake needs HTTP/1.1.");
        }
        if !lists(&req.headers, &CONNECTION, "upgrade") {
            return Self::Malformed("The Connection header must list \"upgrade\".");
        }
        if req.headers.contains_key(TRANSFER_ENCODING)
            || req.headers.get(CONTENT_LENGTH).is_some_and(|len| len != "0")
        {
            return Self::Malformed("A WebSocket handshake has no body.");
        }
        if !single(&SEC_WEBSOCKET_VERSION) || req.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|v| v != "13")
        {
            return Self::Malformed("The only WebSocket version here is 13.");
        }
        let key = req.headers.get(SEC_WEBSOCKET_KEY).filter(|_| single(&SEC_WEBSOCKET_KEY));
        if key.and_then(|key| BASE64.decode(key).ok()).is_none_or(|nonce| nonce.len() != 16) {
            return Self::Malformed("The Sec-WebSocket-Key must be 16 bytes in base64.");
        }
        Self::Valid
    }
}

/// Tells a client that there is only WebSocket to be had here (RFC 9110, 15.5.22).
pub fn upgrade_required() -> LocalReply {
    LocalReply::error(StatusCode::UPGRADE_REQUIRED, "upgrade_required")
        .header(UPGRADE, HeaderValue::from_static("websocket"))
}

/// Whether the server has agreed to this very handshake.
pub(super) fn is_accepted(req: &RequestHead, res: &ResponseHead) -> bool {
    let Some(key) = req.headers.get(SEC_WEBSOCKET_KEY) else {
        return false;
    };
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    let expected = BASE64.encode(hash.digest().bytes());
    lists(&res.headers, &UPGRADE, "websocket")
        && lists(&res.headers, &CONNECTION, "upgrade")
        && res.headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept == expected.as_str())
}

/// Whether a comma-separated header names a token.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn request(method: &str, change: Option<(&'static str, &str)>) -> RequestHead {
        let mut req = crate::head::tests::request(method, "/ws");
        for (name, value) in GOOD {
            req.headers.insert(name, HeaderValue::from_static(value));
        }
        match change {
            Some((name, "")) => drop(req.headers.remove(name)),
            Some((name, value)) => drop(req.headers.insert(name, value.parse().unwrap())),
            None => {}
        }
        req
    }

    #[test]
    fn only_a_well_formed_handshake_is_one() {
        let rows = [
            ("GET", None, "valid"),
            ("GET", Some(("Upgrade", "WebSocket")), "valid"),
            ("GET", Some(("Upgrade", "h2c, websocket")), "valid"),
            ("GET", Some(("Content-Length", "0")), "valid"),
            ("GET", Some(("Upgrade", "h2c")), "none"),
            ("GET", Some(("Upgrade", "")), "none"),
            ("GET", Some(("Upgrade", "websocketx")), "none"),
            ("POST", None, "malformed"),
            ("GET", Some(("Connection", "keep-alive")), "malformed"),
            ("GET", Some(("Connection", "")), "malformed"),
            ("GET", Some(("Sec-WebSocket-Version", "8")), "malformed"),
            ("GET", Some(("Sec-WebSocket-Key", "")), "malformed"),
            ("GET", Some(("Sec-WebSocket-Key", "c2hvcnQ=")), "malformed"),
            ("GET", Some(("Content-Length", "5")), "malformed"),
            ("GET", Some(("Transfer-Encoding", "chunked")), "malformed"),
        ];
        for (method, change, expected) in rows {
            let found = match Handshake::of(&request(method, change)) {
                Handshake::None => "none",
                Handshake::Malformed(_) => "malformed",
                Handshake::Valid => "valid",
            };
            assert_eq!(found, expected, "{method} {change:?}");
        }
    }

    #[test]
    fn the_accept_value_is_checked() {
        // The example of RFC 6455, 1.3.
        let req = request("GET", None);
        let mut res = crate::head::blank_response();
        let mut set = |name, value| drop(res.headers.insert(name, HeaderValue::from_static(value)));
        set(UPGRADE, "websocket");
        set(CONNECTION, "Upgrade");
        assert!(!is_accepted(&req, &res), "no accept header");
        res.headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(is_accepted(&req, &res));
        res.headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOp="));
        assert!(!is_accepted(&req, &res), "another handshake's");
    }
}
