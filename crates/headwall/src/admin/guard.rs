//! Who may give orders: not a page that an operator's browser has open.
//!
//! The listener has no password and is on the operator's own machine, so any page in a browser there can send it requests.
//! Two things keep them out. A page that has had its own name point to this machine (DNS rebinding) sends that name as Host; and a
//! page of another origin cannot send a header of ours without a permission that nobody here gives (Fetch, CORS preflight).

use std::net::IpAddr;

use headwall_core::{LocalReply, RequestHead};
use http::{HeaderName, Method, StatusCode, header};

/// The header that an order has to have, whatever its value.
const CONTROL: HeaderName = HeaderName::from_static("x-headwall-control");

/// Why this request gets no answer, if it gets none.
pub(super) fn refusal(req: &RequestHead, hosts: &[String]) -> Option<LocalReply> {
    let host = req.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the target (RFC 9113, 8.3.1).
    let host = host.or_else(|| req.uri.authority().map(|authority| authority.as_str()));
    if !host.is_some_and(|host| is_ours(host, hosts)) {
        let reply = LocalReply::error(StatusCode::FORBIDDEN, "admin_host_refused");
        return Some(
            reply.message("Ask by an IP address, localhost, or a name that is listed in admin.hosts."),
        );
    }
    if req.method == Method::POST && !req.headers.contains_key(CONTROL) {
        let reply = LocalReply::error(StatusCode::FORBIDDEN, "admin_header_missing");
        return Some(reply.message("An order needs the header X-Headwall-Control, with any value."));
    }
    None
}

/// Whether no page can have made this name up: an IP address, the machine itself, or one that the config lists.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_page_can_make_up_are_ours() {
        let listed = ["admin.internal".to_owned()];
        let rows = [
            ("127.0.0.1:9180", true),
            ("127.0.0.1", true),
            ("[::1]:9180", true),
            ("[::1]", true),
            ("10.0.0.5:9180", true),
            ("localhost:9180", true),
            ("LOCALHOST", true),
            ("Admin.Internal:9180", true),
            ("evil.test:9180", false),
            ("localhost.evil.test", false),
            ("127.0.0.1.evil.test:9180", false),
            ("admin.internal.evil.test", false),
            ("", false),
            (":9180", false),
        ];
        for (host, expected) in rows {
            assert_eq!(is_ours(host, &listed), expected, "{host:?}");
        }
    }
}
