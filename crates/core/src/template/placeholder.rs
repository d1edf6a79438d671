//! What can stand in a template.

use std::str::FromStr;

use http::HeaderName;

use super::InvalidTemplate;

/// Something that is known of a request, by the name that templates call it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placeholder {
    /// `{client.ip}`: the client's address, as trusted proxies tell it.
    ClientIp,
    /// `{request.id}`.
    RequestId,
    /// `{method}`.
    Method,
    /// `{scheme}`: `http` or `https`.
    Scheme,
    /// `{host}`: the host that was asked for, without port.
    Host,
    /// `{path}`: the path, normalised; in a response as it came.
    Path,
    /// `{query}`: the query, without its question mark.
    Query,
    /// `{uri}`: path and query.
    Uri,
    /// `{user}`: who the request was verified to come from.
    User,
    /// `{site}`: the name of the site.
    Site,
    /// `{route}`: the name of the route.
    Route,
    /// `{tls.version}`, such as `TLSv1.3`.
    TlsVersion,
    /// `{tls.cipher}`: its IANA name.
    TlsCipher,
    /// `{tls.server_name}`: the host that the handshake named.
    TlsServerName,
    /// `{http.header.NAME}`: a header of the request.
    Header(HeaderName),
    /// `{status}`: the response's status. In error pages.
    Status,
    /// `{message}`: the sentence that says what is wrong. In error pages.
    Message,
    /// `{reason}`: the word that log and metrics have for it. In error pages.
    Reason,
    /// `{0}` to `{9}`: what a pattern has matched, as a whole and by its groups.
    Capture(u8),
}

/// All names, for the error about another one.
pub(super) const KNOWN: &str = "{client.ip}, {request.id}, {method}, {scheme}, {host}, {path}, {query}, {uri}, {user}, \
     {site}, {route}, {tls.version}, {tls.cipher}, {tls.server_name}, {http.header.NAME}, in error pages {status}, \
     {message}, {reason}, and behind a pattern {0} to {9}";

/// Whether a text in braces looks like a name.
pub(super) fn has_form(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

impl Placeholder {
    /// Whether it is known of a response only.
    pub fn is_of_error(&self) -> bool {
        matches!(self, Self::Status | Self::Message | Self::Reason)
    }
}

impl FromStr for Placeholder {
    type Err = InvalidTemplate;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || InvalidTemplate::Unknown(name.to_owned());
        if let Some(header) = name.strip_prefix("http.header.") {
            return header.parse().map(Self::Header).map_err(|_| unknown());
        }
        Ok(match name {
            "client.ip" => Self::ClientIp,
            "request.id" => Self::RequestId,
            "method" => Self::Method,
            "scheme" => Self::Scheme,
            "host" => Self::Host,
            "path" => Self::Path,
            "query" => Self::Query,
            "uri" => Self::Uri,
            "user" => Self::User,
            "site" => Self::Site,
            "route" => Self::Route,
            "tls.version" => Self::TlsVersion,
            "tls.cipher" => Self::TlsCipher,
            "tls.server_name" => Self::TlsServerName,
            "status" => Self::Status,
            "message" => Self::Message,
            "reason" => Self::Reason,
            _ => match name.as_bytes() {
                [digit @ b'0'..=b'9'] => Self::Capture(digit - b'0'),
                _ => return Err(unknown()),
            },
        })
    }
}
