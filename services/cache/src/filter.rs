//! What the cache does with a request.

mod ask;
mod lookup;

use std::sync::Arc;
use std::time::Duration;

use headwall_core::matching::normalise;
use headwall_core::upstream::Fetch;
use headwall_core::{BoxError, Context, Filter, Flow, Phases, RequestHead, ResponseHead, async_trait};
use http::Method;
use http::header::{CONTENT_LOCATION, HOST, LOCATION, UPGRADE};

use crate::status::Told;
use crate::storable::Terms;
use crate::store::Store;
use crate::tally::Tally;
use crate::{credentials, question};

/// The cache of one place in the config.
pub(crate) struct Caching {
    pub(crate) store: Arc<Store>,
    pub(crate) fetch: Arc<Fetch>,
    pub(crate) terms: Terms,
    pub(crate) tally: Tally,
    /// Parameters that mean nothing to the upstream.
    pub(crate) ignore_query: Vec<String>,
    /// Whether `Cache-Control` of requests is obeyed.
    pub(crate) obeys_clients: bool,
    /// How long a request waits for another that fetches the same.
    pub(crate) patience: Duration,
    /// Whether the head of what is not kept is worth a fetch of all of it, and whether a part is.
    pub(crate) converts_head: bool,
    pub(crate) converts_range: bool,
    /// Whether answers have `Cache-Status`.
    pub(crate) tells: bool,
}

/// The filter.
pub(crate) struct CacheFilter(pub(crate) Arc<Caching>);

/// A request that may change what its address stands for.
#[derive(Clone)]
struct Changing(Arc<str>);

#[async_trait]
impl Filter for CacheFilter {
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::RESPONSE
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        match req.method {
            // A WebSocket's handshake.
            Method::GET if req.headers.contains_key(UPGRADE) => {}
            Method::GET | Method::HEAD if question::is_plain(&req.headers) => {
                let url = self.0.address(req, cx).into();
                let is_personal = credentials::are_shown(&req.headers, cx);
                cx.offer(Arc::new(lookup::Lookup { caching: self.0.clone(), url, is_personal }));
            }
            Method::GET | Method::HEAD => self.0.tell(Told::Bypass("request"), cx),
            // Safe methods change nothing (RFC 9110, 9.2.1).
            Method::OPTIONS | Method::TRACE => {}
            _ => {
                let url = self.0.address(req, cx).into();
                cx.extensions_mut().insert(Changing(url));
            }
        }
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        if let Some(told) = cx.extensions_mut().remove::<Told>() {
            self.0.tally.count(told);
            if self.0.tells {
                told.tell(res);
            }
        }
        // RFC 9111, 4.4. What was refused here has changed nothing.
        let has_changed = cx.reason().is_none() && (res.status.is_success() || res.status.is_redirection());
        if let Some(Changing(url)) = cx.extensions().get::<Changing>().filter(|_| has_changed) {
            self.0.store.invalidate(url);
            for name in [LOCATION, CONTENT_LOCATION] {
                let other = res.headers.get(name).and_then(|value| value.to_str().ok());
                if let Some(other) = other.and_then(|other| beside(url, other)) {
                    self.0.store.invalidate(&other);
                }
            }
        }
        Ok(())
    }
}

// === impl Caching ===

impl Caching {
    /// Tells client, log and metrics what has become of a request.
    fn tell(&self, told: Told, cx: &mut Context) {
        cx.tell_cache(told.word());
        cx.extensions_mut().insert(told);
    }

    /// What a request asks for: the address as the client has written it, scheme and host included.
    fn address(&self, req: &RequestHead, cx: &Context) -> String {
        let host =
            req.headers.get(HOST).and_then(|host| host.to_str().ok()).or(cx.host()).unwrap_or_default();
        address(cx.scheme(), host, req.uri.path(), req.uri.query(), &self.ignore_query)
    }
}

/// The one form of an address, by which answers are kept.
pub(crate) fn address(
    scheme: &str,
    host: &str,
    path: &str,
    query: Option<&str>,
    ignored: &[String],
) -> String {
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut url = String::with_capacity(scheme.len() + 3 + host.len() + path.len() + 32);
    url.push_str(scheme);
    url.push_str("://");
    url.extend(host.chars().map(|letter| letter.to_ascii_lowercase()));
    url.push_str(path);
    let counts = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default();
        !ignored.iter().any(|ignored| ignored == name)
    };
    if ignored.is_empty() {
        url.extend(query.iter().flat_map(|query| ["?", query]));
    } else if let Some(query) = query {
        for (index, part) in query.split('&').filter(counts).enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(part);
        }
    }
    url
}

/// An address that an answer names, if it is of the same origin.
fn beside(url: &str, other: &str) -> Option<String> {
    let start = url.find("://")? + 3;
    let origin = &url[..url[start..].find('/').map_or(url.len(), |end| start + end)];
    let path = if other.starts_with('/') && !other.starts_with("//") {
        other
    } else {
        other.strip_prefix(origin).filter(|path| path.starts_with('/'))?
    };
    let (path, query) = path.split_once('?').map_or((path, ""), |(path, query)| (path, query));
    let path = normalise(path).ok()?;
    Some(if query.is_empty() { format!("{origin}{path}") } else { format!("{origin}{path}?{query}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_form() {
        let ignored = ["utm_source".to_owned()];
        let rows = [
            ("https", "App.Example.com", "/a", None, "https://app.example.com/a", "hosts have no case"),
            ("https", "app.example.com:443", "/a", None, "https://app.example.com/a", "the usual port"),
            ("https", "app.example.com:80", "/a", None, "https://app.example.com:80/a", "another port"),
            ("http", "app.example.com:80", "/a", None, "http://app.example.com/a", "the usual port"),
            ("http", "app.example.com.", "/a", None, "http://app.example.com/a", "the root"),
            ("http", "a", "/A", Some("B=c"), "http://a/A?B=c", "paths and queries have case"),
            ("http", "a", "/", Some("x=1&utm_source=z&y"), "http://a/?x=1&y", "what means nothing"),
            ("http", "a", "/", Some("utm_source"), "http://a/", "nothing is left"),
            ("http", "a", "/", Some("utm_sources=1"), "http://a/?utm_sources=1", "another name"),
        ];
        for (scheme, host, path, query, expected, row) in rows {
            assert_eq!(address(scheme, host, path, query, &ignored), expected, "{row}");
        }
    }

    #[test]
    fn only_addresses_of_the_same_origin_are_beside() {
        let url = "https://app.example.com/articles";
        let rows = [
            ("/articles/1", Some("https://app.example.com/articles/1"), "a path"),
            ("/a/../b?c", Some("https://app.example.com/b?c"), "as it is kept"),
            ("https://app.example.com/x", Some("https://app.example.com/x"), "whole"),
            ("https://evil.example.com/x", None, "another host"),
            ("https://app.example.com.evil/x", None, "a longer host"),
            ("http://app.example.com/x", None, "another scheme"),
            ("//app.example.com/x", None, "not a path"),
            ("x", None, "relative, which nobody sends"),
        ];
        for (other, expected, row) in rows {
            assert_eq!(beside(url, other).as_deref(), expected, "{row}");
        }
    }
}
