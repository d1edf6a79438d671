//! What the placeholders of a template stand for in one request.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode, Uri};

use super::Placeholder;
use crate::{Context, RequestHead};

/// One request, and as much of its response as there is.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    cx: &'a Context,
    uri: &'a Uri,
    headers: Option<&'a HeaderMap>,
    status: Option<StatusCode>,
    message: &'a str,
    reason: &'a str,
    captures: &'a [&'a str],
}

impl<'a> Scene<'a> {
    /// What is known without a head: the target is the one that arrived, and there are no headers.
    pub fn of(cx: &'a Context) -> Self {
        let uri = &cx.request_line().uri;
        Self { cx, uri, headers: None, status: None, message: "", reason: "", captures: &[] }
    }

    /// A request on its way to its service.
    pub fn request(req: &'a RequestHead, cx: &'a Context) -> Self {
        Self { headers: Some(&req.headers), ..Self::of(cx) }.uri(&req.uri)
    }

    /// With another target.
    #[must_use]
    pub fn uri(self, uri: &'a Uri) -> Self {
        Self { uri, ..self }
    }

    /// With headers of the request.
    #[must_use]
    pub fn headers(self, headers: &'a HeaderMap) -> Self {
        Self { headers: Some(headers), ..self }
    }

    /// With a status.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// With what is wrong, as a sentence and as a word.
    #[must_use]
    pub fn error(self, message: &'a str, reason: &'a str) -> Self {
        Self { message, reason, ..self }
    }

    /// With what a pattern has matched.
    #[must_use]
    pub fn captures(self, captures: &'a [&'a str]) -> Self {
        Self { captures, ..self }
    }

    pub(super) fn value(&self, of: &Placeholder) -> Cow<'a, str> {
        let cx = self.cx;
        let tls = || cx.tls();
        match of {
            Placeholder::ClientIp => text(cx.client_text().as_bytes()),
            Placeholder::RequestId => cx.request_id().into(),
            Placeholder::Method => cx.request_line().method.as_str().into(),
            Placeholder::Scheme => cx.scheme().into(),
            Placeholder::Host => cx.host().map_or("", without_port).into(),
            Placeholder::Path => self.uri.path().into(),
            Placeholder::Query => self.uri.query().unwrap_or("").into(),
            Placeholder::Uri => self.uri.path_and_query().map_or("/", |uri| uri.as_str()).into(),
            Placeholder::User => cx.user().map_or("", |user| user).into(),
            Placeholder::Site => cx.route().map_or("", |route| &route.site).into(),
            Placeholder::Route => cx.route().map_or("", |route| &route.name).into(),
            Placeholder::TlsVersion => tls().map_or("", |tls| tls.version).into(),
            Placeholder::TlsCipher => tls().map_or("", |tls| tls.cipher).into(),
            Placeholder::TlsServerName => {
                tls().and_then(|tls| tls.server_name.as_deref()).unwrap_or("").into()
            }
            Placeholder::Header(name) => {
                let value = self.headers.and_then(|headers| headers.get(name));
                value.map_or("".into(), |value| text(value.as_bytes()))
            }
            Placeholder::Status => {
                self.status.map_or(Cow::default(), |status| status.as_u16().to_string().into())
            }
            Placeholder::Message => self.message.into(),
            Placeholder::Reason => self.reason.into(),
            Placeholder::Capture(group) => {
                self.captures.get(usize::from(*group)).copied().unwrap_or("").into()
            }
        }
    }
}

/// Headers may hold any byte; what is not UTF-8 is replaced.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_dropped_and_brackets_are_kept() {
        for (host, expected) in [
            ("a.example:8080", "a.example"),
            ("a.example", "a.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }
}
