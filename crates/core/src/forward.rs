//! What the upstream is told about the client.
//!
//! `X-Real-IP`, `X-Forwarded-For`, `-Proto` and `-Host`, and RFC 7239 `Forwarded` on request. What a client says of
//! itself in them is replaced, unless its address is a trusted proxy's: then `X-Forwarded-For` is appended to and the
//! others are kept. Hop-by-hop headers of a request are dropped by Pingora's request policy (RFC 9110, 7.6.1), those of a
//! response here.

use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use smallvec::SmallVec;

use crate::Context;

/// Headers that tell of the client, or of the way its request came.
const TELLING: [&str; 7] = [
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
    "x-request-id",
];

/// Writes the forward headers of one attempt.
pub(crate) fn apply(req: &mut RequestHeader, cx: &Context) -> Result<()> {
    if cx.forward.as_ref().is_some_and(|forward| !forward.forward_headers) {
        for name in TELLING {
            req.remove_header(name);
        }
        return Ok(());
    }
    let trusted = cx.peer_is_trusted();
    req.insert_header("X-Real-IP", cx.client_text().clone())?;
    let hops = if trusted { appended(&req.headers, cx.peer_text()) } else { cx.peer_text().clone() };
    req.insert_header("X-Forwarded-For", hops)?;
    if !(trusted && req.headers.contains_key("x-forwarded-proto")) {
        req.insert_header("X-Forwarded-Proto", HeaderValue::from_static(cx.scheme()))?;
    }
    if !(trusted && req.headers.contains_key("x-forwarded-host")) {
        match cx.host_text() {
            Some(host) => req.insert_header("X-Forwarded-Host", host.clone())?,
            None => drop(req.remove_header("x-forwarded-host")),
        }
    }
    if !trusted {
        req.remove_header("x-forwarded-port");
        req.remove_header("forwarded");
    }
    if cx.wants_forwarded() {
        req.append_header("Forwarded", forwarded(cx))?;
    }
    req.insert_header("X-Request-Id", cx.request_id_text().clone())?;
    Ok(())
}

/// Drops from a response what its server said to this hop alone. What frames the body stays for Pingora to read.
pub(crate) fn end_hop(res: &mut ResponseHeader) {
    for name in nominated(&res.headers) {
        res.remove_header(&name);
    }
    for name in [CONNECTION, UPGRADE] {
        res.remove_header(&name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        res.remove_header(name);
    }
}

/// The headers that `Connection` makes a matter of one hop (RFC 9110, 7.6.1), but for those that frame the body.
pub(crate) fn nominated(headers: &HeaderMap) -> SmallVec<[HeaderName; 2]> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| ![CONTENT_LENGTH, TRANSFER_ENCODING].contains(name))
        .collect()
}

/// The hops named so far, over all lines, and this one.
fn appended(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut hops = Vec::with_capacity(64);
    for line in headers.get_all("x-forwarded-for") {
        if !line.is_empty() {
            hops.extend_from_slice(line.as_bytes());
            hops.extend_from_slice(b", ");
        }
    }
    hops.extend_from_slice(peer.as_bytes());
    // Joined header values are a header value.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(hops)).unwrap_or_else(|_| peer.clone())
}

/// One element of RFC 7239: IPv6 addresses are quoted and in brackets.
fn forwarded(cx: &Context) -> HeaderValue {
    let peer = match cx.peer_address() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let host = cx.host_text().and_then(|host| host.to_str().ok());
    let host = host.map(|host| format!(";host=\"{host}\"")).unwrap_or_default();
    HeaderValue::try_from(format!("for={peer}{host};proto={}", cx.scheme()))
        .unwrap_or_else(|_| HeaderValue::from_static("for=unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TrustedProxies;
    use crate::context::Arrival;

    fn forwarded_by(peer: &str, trusted: &[&str], sent: &[(&'static str, &str)]) -> HeaderMap {
        let mut req = RequestHeader::build("GET", b"/", None).unwrap();
        req.insert_header("Host", "app.example.com").unwrap();
        for (name, value) in sent {
            req.append_header(*name, *value).unwrap();
        }
        let trusted = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()));
        let arrival = Arrival { peer: format!("{peer}:4711").parse().unwrap(), secure: false };
        let mut cx = Context::new(arrival);
        cx.learn(&req, &trusted, true);
        apply(&mut req, &cx).unwrap();
        req.headers.clone()
    }

    #[test]
    fn an_untrusted_client_is_not_believed() {
        let sent = [
            ("X-Forwarded-For", "6.6.6.6"),
            ("X-Real-IP", "6.6.6.6"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Port", "1"),
            ("Forwarded", "for=6.6.6.6"),
            ("X-Request-Id", "chosen-by-the-client"),
        ];
        let headers = forwarded_by("192.0.2.1", &[], &sent);
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert_eq!(headers["x-real-ip"], "192.0.2.1");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], "app.example.com");
        assert!(!headers.contains_key("x-forwarded-port"));
        assert_eq!(headers["forwarded"], "for=192.0.2.1;host=\"app.example.com\";proto=http");
        assert_ne!(headers["x-request-id"], "chosen-by-the-client");
    }

    #[test]
    fn a_trusted_proxy_is_appended_to() {
        let sent = [
            ("X-Forwarded-For", "6.6.6.6"),
            ("X-Forwarded-For", "198.51.100.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "www.example.com"),
            ("X-Request-Id", "kept-42"),
        ];
        let headers = forwarded_by("10.0.0.1", &["10.0.0.0/8"], &sent);
        assert_eq!(headers["x-forwarded-for"], "6.6.6.6, 198.51.100.1, 10.0.0.1");
        assert_eq!(headers["x-real-ip"], "198.51.100.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "www.example.com");
        assert_eq!(headers["x-request-id"], "kept-42");
    }
}
