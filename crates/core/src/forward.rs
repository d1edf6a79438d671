//! What the upstream is told about the client.
//!
//! `X-Real-IP`, `X-Forwarded-For`, `-Proto` and `-Host`, and RFC 7239 `Forwarded` on request. What a client says of
//! itself in them is replaced, unless its address is a trusted proxy's: then `X-Forwarded-For` is appended to and the
//! others are kept. Who has shown a certificate in the TLS handshake is named in `Client-Cert` (RFC 9440),
//! `X-Client-Cert-Subject` and `-Fingerprint`; besides us, only a trusted proxy can put these there. Hop-by-hop headers of
//! a request are dropped by Pingora's request policy (RFC 9110, 7.6.1), those of a response here.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, FORWARDED, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::Context;
use crate::head::remove_cookie;

static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
static CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
static X_CLIENT_CERT_SUBJECT: HeaderName = HeaderName::from_static("x-client-cert-subject");
static X_CLIENT_CERT_FINGERPRINT: HeaderName = HeaderName::from_static("x-client-cert-fingerprint");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Headers that tell of the client, or of the way its request came.
static TELLING: [&HeaderName; 7] = [
    &X_REAL_IP,
    &X_FORWARDED_FOR,
    &X_FORWARDED_PROTO,
    &X_FORWARDED_HOST,
    &X_FORWARDED_PORT,
    &FORWARDED,
    &X_REQUEST_ID,
];

/// Headers that tell of the client's certificate.
static CERTIFYING: [&HeaderName; 4] =
    [&CLIENT_CERT, &CLIENT_CERT_CHAIN, &X_CLIENT_CERT_SUBJECT, &X_CLIENT_CERT_FINGERPRINT];

/// Writes the forward headers of one attempt, and keeps here what is not for its server.
pub(crate) fn apply(headers: &mut HeaderMap, cx: &Context) {
    if let Some(name) = cx.attempts.running.as_ref().and_then(|running| running.kept_cookie.as_deref()) {
        remove_cookie(headers, name);
    }
    if cx.forward.as_ref().is_some_and(|forward| !forward.forward_headers) {
        remove_all(headers, &TELLING);
        remove_all(headers, &CERTIFYING);
        return;
    }
    certify(headers, cx);
    // Growing a header map means hashing it anew: once is enough.
    headers.reserve(TELLING.len());
    let trusted = cx.peer_is_trusted();
    headers.insert(&X_REAL_IP, cx.client_text().clone());
    let hops = if trusted { appended(headers, cx.peer_text()) } else { cx.peer_text().clone() };
    headers.insert(&X_FORWARDED_FOR, hops);
    if !(trusted && headers.contains_key(&X_FORWARDED_PROTO)) {
        headers.insert(&X_FORWARDED_PROTO, HeaderValue::from_static(cx.scheme()));
    }
    if !(trusted && headers.contains_key(&X_FORWARDED_HOST)) {
        match cx.host_text() {
            Some(host) => drop(headers.insert(&X_FORWARDED_HOST, host.clone())),
            None => drop(headers.remove(&X_FORWARDED_HOST)),
        }
    }
    if !trusted {
        remove_all(headers, &[&X_FORWARDED_PORT, &FORWARDED]);
    }
    if cx.wants_forwarded() {
        headers.append(FORWARDED, forwarded(cx));
    }
    headers.insert(&X_REQUEST_ID, cx.request_id_text().clone());
}

/// Says which certificate the client has shown. Whoever comes on a connection without one has none to speak of, unless
/// it is a proxy that is trusted to have verified it.
fn certify(headers: &mut HeaderMap, cx: &Context) {
    let shown = cx.tls().and_then(|tls| tls.client_certificate.as_ref());
    if shown.is_none() && cx.peer_is_trusted() {
        return;
    }
    remove_all(headers, &CERTIFYING);
    if let Some(texts) = shown.map(|certificate| &certificate.texts) {
        headers.insert(&CLIENT_CERT, texts.certificate.clone());
        headers.insert(&X_CLIENT_CERT_SUBJECT, texts.subject.clone());
        headers.insert(&X_CLIENT_CERT_FINGERPRINT, texts.fingerprint.clone());
    }
}

/// Tells a server of gRPC that trailers are read here, which some want to be told (PROTOCOL-HTTP2 of gRPC). What a client of
/// HTTP/1 says of them, it says to this hop (RFC 9110, 10.1.4), and one of gRPC-Web says nothing.
pub(crate) fn welcome_trailers(headers: &mut HeaderMap) {
    if headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Drops from a request of ours what a client has said to this hop alone, and how its body was framed.
pub(crate) fn begin_hop(headers: &mut HeaderMap) {
    remove_all(
        headers,
        &[&CONNECTION, &CONTENT_LENGTH, &EXPECT, &TE, &TRAILER, &TRANSFER_ENCODING, &UPGRADE],
    );
    remove_all(headers, &[&KEEP_ALIVE, &PROXY_CONNECTION]);
}

/// Drops from a response what its server said to this hop alone. What frames the body stays for Pingora to read.
pub(crate) fn end_hop(headers: &mut HeaderMap) {
    for name in nominated(headers) {
        headers.remove(name);
    }
    remove_all(headers, &[&CONNECTION, &UPGRADE, &KEEP_ALIVE, &PROXY_CONNECTION]);
}

/// Most heads have none of them, and to see that takes less than to hash each name.
fn remove_all(headers: &mut HeaderMap, names: &[&HeaderName]) {
    if headers.keys().any(|name| names.contains(&name)) {
        for name in names {
            headers.remove(*name);
        }
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
    for line in headers.get_all(&X_FORWARDED_FOR) {
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

    fn forwarded_by(peer: &str, trusted: &[&str], sent: &[(&'static str, &str)]) -> HeaderMap {
        let mut req = crate::head::tests::request("GET", "/");
        req.headers.insert("host", HeaderValue::from_static("app.example.com"));
        for (name, value) in sent {
            req.headers.append(*name, value.parse().unwrap());
        }
        let trusted = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()));
        let mut cx = Context::unknown();
        cx.arrive_from(format!("{peer}:4711").parse().unwrap(), false);
        cx.learn(&req, &trusted, true);
        apply(&mut req.headers, &cx);
        req.headers
    }

    #[test]
    fn an_untrusted_client_is_not_believed() {
        let sent = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-port", "1"),
            ("forwarded", "for=6.6.6.6"),
            ("x-request-id", "chosen-by-the-client"),
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
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "www.example.com"),
            ("x-request-id", "kept-42"),
        ];
        let headers = forwarded_by("10.0.0.1", &["10.0.0.0/8"], &sent);
        assert_eq!(headers["x-forwarded-for"], "6.6.6.6, 198.51.100.1, 10.0.0.1");
        assert_eq!(headers["x-real-ip"], "198.51.100.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "www.example.com");
        assert_eq!(headers["x-request-id"], "kept-42");
    }
}
