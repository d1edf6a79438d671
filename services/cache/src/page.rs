//! `/cache` on the admin listener: what is kept, and how to have it given up.
//!
//! `DELETE` is no method that a web page could send here without being asked for permission first.

use std::sync::{Arc, Weak};

use headwall_core::matching::normalise;
use headwall_core::{Action, BoxError, Context, LocalReply, RequestHead, Service, async_trait};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use parking_lot::Mutex;
use serde_json::json;

use crate::filter::{Caching, address};

/// Every cache of the server.
#[derive(Default)]
pub(crate) struct Caches(Mutex<Vec<(String, Weak<Caching>)>>);

/// Answers operators.
pub(crate) struct Page(pub(crate) Arc<Caches>);

/// What is to be given up.
#[derive(Debug, PartialEq, Eq)]
enum Purge {
    /// One address, with all its answers.
    Url(String),
    /// Every address that begins so.
    Prefix(String),
    All,
}

// === impl Caches ===

impl Caches {
    /// Adds one that has just been built, and forgets those that are gone.
    pub(crate) fn add(&self, place: &str, caching: &Arc<Caching>) {
        let mut caches = self.0.lock();
        caches.retain(|(_, caching)| caching.strong_count() > 0);
        caches.push((place.to_owned(), Arc::downgrade(caching)));
    }

    fn all(&self) -> Vec<(String, Arc<Caching>)> {
        let caches = self.0.lock();
        let mut all: Vec<(String, Arc<Caching>)> = Vec::new();
        // After a reload the old config may still be serving from the same store.
        for (place, caching) in caches.iter().rev() {
            let known = |caching: &Arc<Caching>| {
                all.iter().any(|(_, other)| Arc::ptr_eq(&other.store, &caching.store))
            };
            if let Some(caching) = caching.upgrade().filter(|caching| !known(caching)) {
                all.push((place.clone(), caching));
            }
        }
        all.reverse();
        all
    }

    fn purge(&self, purge: &Purge) -> usize {
        let purged = self.all().into_iter().map(|(_, caching)| match purge {
            Purge::Url(url) => usize::from(caching.store.invalidate(&caching.as_kept(url))),
            Purge::Prefix(prefix) => caching.store.purge(|url| url.starts_with(prefix.as_str())),
            Purge::All => caching.store.purge(|_| true),
        });
        purged.sum()
    }
}

impl Caching {
    /// The address under which an answer would be kept here.
    fn as_kept(&self, url: &str) -> String {
        parsed(url, &self.ignore_query).unwrap_or_else(|| url.to_owned())
    }
}

// === impl Purge ===

impl Purge {
    fn of(query: Option<&str>) -> Result<Self, &'static str> {
        const EXPECTED: &str = "Expected ?url=https://…, ?prefix=https://… or ?all.";
        // The address is the last thing in the query, so its own `&` need no encoding.
        match query.unwrap_or_default().split_once('=') {
            None if query == Some("all") => Ok(Self::All),
            Some(("url", url)) => parsed(url, &[])
                .map(Self::Url)
                .ok_or("Expected an address such as https://app.example.com/logo.png."),
            Some(("prefix", prefix)) => {
                let prefix = parsed(prefix, &[]);
                prefix
                    .map(Self::Prefix)
                    .ok_or("Expected the start of an address such as https://app.example.com/img/.")
            }
            _ => Err(EXPECTED),
        }
    }
}

/// An address as it is kept.
fn parsed(url: &str, ignored: &[String]) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let path = normalise(uri.path()).ok()?;
    Some(address(scheme, uri.authority()?.as_str(), &path, uri.query(), ignored))
}

// === impl Page ===

#[async_trait]
impl Service for Page {
    async fn call(&self, req: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        Ok(Action::Reply(match req.method {
            Method::GET | Method::HEAD => {
                let shown = self.0.all().into_iter().map(|(place, caching)| {
                    let (entries, bytes) = caching.store.size();
                    let mut shown = json!({ "place": place, "entries": entries, "bytes": bytes });
                    if let Some((entries, bytes)) = caching.store.size_on_disk() {
                        shown["disk"] = json!({ "entries": entries, "bytes": bytes });
                    }
                    shown
                });
                LocalReply::json(StatusCode::OK, json!(shown.collect::<Vec<_>>()).to_string())
            }
            Method::DELETE => match Purge::of(req.uri.query()) {
                Ok(purge) => {
                    let purged = self.0.purge(&purge);
                    log::info!("cache: {purge:?}: {purged} purged");
                    LocalReply::json(StatusCode::OK, json!({ "purged": purged }).to_string())
                }
                Err(sentence) => {
                    LocalReply::error(StatusCode::BAD_REQUEST, "invalid_purge").message(sentence)
                }
            },
            _ => LocalReply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
                .header(header::ALLOW, HeaderValue::from_static("GET, HEAD, DELETE")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_given_up_is_said_in_the_query() {
        let url = |url: &str| Ok(Purge::Url(url.to_owned()));
        let rows = [
            (Some("all"), Ok(Purge::All), "everything"),
            (
                Some("url=https://App.example.com/a/../b?x=1&y=2"),
                url("https://app.example.com/b?x=1&y=2"),
                "as it is kept",
            ),
            (Some("url=https://app.example.com"), url("https://app.example.com/"), "the root"),
            (Some("prefix=http://a/img/"), Ok(Purge::Prefix("http://a/img/".to_owned())), "a start"),
        ];
        for (query, expected, row) in rows {
            assert_eq!(Purge::of(query), expected, "{row}");
        }
        for query in [
            None,
            Some(""),
            Some("all=1"),
            Some("url=/a"),
            Some("url=ftp://a/b"),
            Some("prefix="),
            Some("x=1"),
        ] {
            assert!(Purge::of(query).is_err(), "{query:?}");
        }
    }
}
