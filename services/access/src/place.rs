//! Where in a request a token or key stands, and how it is taken away.
//!
//! A credential ends at the filter that has checked it: what goes on to an upstream must not carry it into that one's
//! logs and links. So every place can be read, and emptied.

use std::borrow::Cow;

use headwall_core::RequestHead;
use headwall_core::access_log::is_redacted;
use http::header::{AUTHORIZATION, COOKIE, HeaderName, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a token or key stands in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenPlace {
    /// `Authorization: Bearer …` (RFC 6750, 2.1).
    Bearer,
    /// A header of this name, all of its value.
    Header(String),
    /// A cookie of this name.
    Cookie(String),
    /// A query parameter of this name, for clients that can set neither. It must be one that the access log leaves out,
    /// such as `token` or `access_token`.
    Query(String),
    /// An entry of `Sec-WebSocket-Protocol` that begins with this, for WebSockets of browsers. The client has to offer its
    /// own protocol beside it.
    Subprotocol(String),
}

/// Why a token cannot stand there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPlace {
    #[error("expected the name of a header, found `{0}`")]
    Header(String),
    #[error("expected the name of a cookie, found `{0}`")]
    Cookie(String),
    #[error("expected the beginning of a subprotocol, such as `token.`, found `{0}`")]
    Subprotocol(String),
    #[error(
        "`{0}` would be written to the access log: take a parameter that is left out, such as `token` or `access_token`"
    )]
    Logged(String),
}

/// A place with its name parsed.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Bearer,
    Header(HeaderName),
    Cookie(String),
    Query(String),
    Subprotocol(String),
}

/// The places that are looked at, in order.
#[derive(Debug, Clone)]
pub(crate) struct Places(Vec<Place>);

// === impl Places ===

impl Places {
    pub(crate) fn new(places: &[TokenPlace]) -> Result<Self, InvalidPlace> {
        places.iter().map(Place::new).collect::<Result<_, _>>().map(Self)
    }

    /// The first token that is there.
    pub(crate) fn find<'a>(&self, req: &'a RequestHead) -> Option<Cow<'a, str>> {
        self.0.iter().find_map(|place| place.find(req))
    }

    /// Takes whatever stands in any of the places out of the request.
    pub(crate) fn clear(&self, req: &mut RequestHead) {
        self.0.iter().for_each(|place| place.clear(req));
    }
}

// === impl Place ===

impl Place {
    fn new(place: &TokenPlace) -> Result<Self, InvalidPlace> {
        let is_token = |name: &str| HeaderName::from_bytes(name.as_bytes()).is_ok();
        Ok(match place {
            TokenPlace::Bearer => Self::Bearer,
            TokenPlace::Header(name) => {
                Self::Header(name.parse().map_err(|_| InvalidPlace::Header(name.clone()))?)
            }
            TokenPlace::Cookie(name) if is_token(name) => Self::Cookie(name.clone()),
            TokenPlace::Cookie(name) => return Err(InvalidPlace::Cookie(name.clone())),
            TokenPlace::Query(name) if is_redacted(name) => Self::Query(name.clone()),
            TokenPlace::Query(name) => return Err(InvalidPlace::Logged(name.clone())),
            TokenPlace::Subprotocol(prefix) if is_token(prefix) => Self::Subprotocol(prefix.clone()),
            TokenPlace::Subprotocol(prefix) => return Err(InvalidPlace::Subprotocol(prefix.clone())),
        })
    }

    fn find<'a>(&self, req: &'a RequestHead) -> Option<Cow<'a, str>> {
        let found = match self {
            Self::Bearer => Cow::Borrowed(bearer(the_only(&req.headers, &AUTHORIZATION)?)?),
            Self::Header(name) => Cow::Borrowed(the_only(&req.headers, name)?.trim()),
            Self::Cookie(name) => Cow::Borrowed(cookies(&req.headers).find_map(|pair| value_of(pair, name))?),
            Self::Query(name) => {
                let value = req.uri.query()?.split('&').find_map(|pair| value_of(pair, name))?;
                percent_decode_str(value).decode_utf8().ok()?
            }
            Self::Subprotocol(prefix) => {
                Cow::Borrowed(protocols(&req.headers).find_map(|entry| entry.strip_prefix(prefix.as_str()))?)
            }
        };
        Some(found).filter(|token| !token.is_empty())
    }

    fn clear(&self, req: &mut RequestHead) {
        match self {
            Self::Bearer => {
                let is_bearer = |value: &HeaderValue| value.to_str().is_ok_and(|text| bearer(text).is_some());
                if req.headers.get_all(AUTHORIZATION).iter().any(is_bearer) {
                    req.headers.remove(AUTHORIZATION);
                }
            }
            Self::Header(name) => drop(req.headers.remove(name)),
            Self::Cookie(name) => {
                let is_it = |pair: &str| value_of(pair, name).is_some();
                if cookies(&req.headers).any(is_it) {
                    let kept: Vec<_> = cookies(&req.headers).filter(|pair| !is_it(pair)).collect();
                    let kept = kept.join("; ");
                    replace(&mut req.headers, COOKIE, kept);
                }
            }
            Self::Query(name) => clear_query(&mut req.uri, name),
            Self::Subprotocol(prefix) => {
                let is_it = |entry: &str| entry.starts_with(prefix.as_str());
                if protocols(&req.headers).any(is_it) {
                    let kept: Vec<_> = protocols(&req.headers).filter(|entry| !is_it(entry)).collect();
                    let kept = kept.join(", ");
                    replace(&mut req.headers, SEC_WEBSOCKET_PROTOCOL, kept);
                }
            }
        }
    }
}

/// The value of a header that is there once. Of several, another reader might believe another.
pub(crate) fn the_only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

/// What stands behind a scheme, whose name does not differ by case (RFC 9110, 11.1).
pub(crate) fn after_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (named, rest) = value.trim().split_once(' ')?;
    named.eq_ignore_ascii_case(scheme).then(|| rest.trim_start())
}

fn bearer(value: &str) -> Option<&str> {
    after_scheme(value, "Bearer")
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).map(str::trim).filter(|pair| !pair.is_empty())
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|entry| !entry.is_empty())
}

fn value_of<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    pair.strip_prefix(name)?.strip_prefix('=')
}

/// Writes a list anew, or takes the header away when nothing of it is left.
fn replace(headers: &mut HeaderMap, name: HeaderName, kept: String) {
    headers.remove(&name);
    if let Some(value) = HeaderValue::try_from(kept).ok().filter(|value| !value.is_empty()) {
        headers.insert(name, value);
    }
}

fn clear_query(uri: &mut Uri, name: &str) {
    let Some(query) = uri.query() else { return };
    let is_it = |pair: &str| pair == name || value_of(pair, name).is_some();
    if !query.split('&').any(is_it) {
        return;
    }
    let kept: Vec<_> = query.split('&').filter(|pair| !is_it(pair)).collect();
    let target = match kept.join("&") {
        kept if kept.is_empty() => uri.path().to_owned(),
        kept => format!("{}?{kept}", uri.path()),
    };
    // What is left of a target is a target.
    if let Ok(target) = target.parse() {
        *uri = target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, headers: &[(&'static str, &str)]) -> RequestHead {
        let (mut req, ()) = http::Request::builder().uri(target).body(()).unwrap().into_parts();
        for (name, value) in headers {
            req.headers.append(*name, value.parse().unwrap());
        }
        req
    }

    fn places() -> Places {
        Places::new(&[
            TokenPlace::Bearer,
            TokenPlace::Header("X-Key".into()),
            TokenPlace::Cookie("session".into()),
            TokenPlace::Query("token".into()),
            TokenPlace::Subprotocol("token.".into()),
        ])
        .unwrap()
    }

    #[test]
    fn a_token_is_found_in_every_place() {
        type Headers<'a> = &'a [(&'static str, &'a str)];
        let rows: [(&str, Headers<'_>, Option<&str>, &str); 14] = [
            ("/", &[], None, "nowhere"),
            ("/", &[("authorization", "Bearer abc")], Some("abc"), "bearer"),
            ("/", &[("authorization", "bearer  abc")], Some("abc"), "schemes do not differ by case"),
            ("/", &[("authorization", "Basic abc")], None, "another scheme"),
            ("/", &[("authorization", "Bearer a"), ("authorization", "Bearer b")], None, "two of them"),
            ("/", &[("x-key", "abc")], Some("abc"), "header"),
            ("/", &[("x-key", "")], None, "an empty header"),
            ("/", &[("cookie", "a=b; session=abc;c=d")], Some("abc"), "cookie"),
            ("/", &[("cookie", "a=b"), ("cookie", "session=abc")], Some("abc"), "HTTP/2 splits cookies"),
            ("/", &[("cookie", "xsession=abc")], None, "a longer name"),
            ("/?a=b&token=a%2Bc", &[], Some("a+c"), "query"),
            ("/?tokens=abc", &[], None, "a longer parameter"),
            ("/", &[("sec-websocket-protocol", "chat, token.abc")], Some("abc"), "subprotocol"),
            ("/?token=q", &[("cookie", "session=c")], Some("c"), "the first place in order"),
        ];
        for (target, headers, expected, row) in rows {
            assert_eq!(places().find(&request(target, headers)).as_deref(), expected, "{row}");
        }
    }

    #[test]
    fn a_token_is_taken_away_from_every_place_and_nothing_else_is() {
        let mut req = request(
            "/ws?a=b&token=q&c=d&token=r",
            &[
                ("authorization", "Bearer abc"),
                ("x-key", "k"),
                ("cookie", "a=b; session=abc"),
                ("cookie", "c=d"),
                ("sec-websocket-protocol", "token.abc, chat"),
            ],
        );
        places().clear(&mut req);
        assert_eq!(req.uri, "/ws?a=b&c=d");
        assert!(!req.headers.contains_key("authorization") && !req.headers.contains_key("x-key"));
        assert_eq!(req.headers["cookie"], "a=b; c=d");
        assert_eq!(req.headers["sec-websocket-protocol"], "chat");

        let others = [("authorization", "Basic abc"), ("cookie", "a=b")];
        let mut req = request("/ws?token=q", &others);
        places().clear(&mut req);
        assert_eq!(req.uri, "/ws");
        assert_eq!(req.headers["authorization"], "Basic abc", "what belongs to another filter stays");
        assert_eq!(req.headers["cookie"], "a=b");
    }

    #[test]
    fn a_parameter_that_would_be_logged_is_refused() {
        let refused = Places::new(&[TokenPlace::Query("ticket".into())]).unwrap_err().to_string();
        assert!(refused.contains("`ticket` would be written to the access log"), "{refused}");
        assert!(Places::new(&[TokenPlace::Header("a b".into())]).is_err());
        assert!(Places::new(&[TokenPlace::Cookie("a;b".into())]).is_err());
    }
}
