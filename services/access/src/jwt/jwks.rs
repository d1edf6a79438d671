//! Keys that an issuer publishes and changes.
//!
//! They are fetched before the first request, again when they have become old, and at once when a token names a key that
//! is not among them: that is how an issuer changes its keys. Of many requests that wait for that, one asks; and however
//! many unknown keys are named, the issuer is not asked more often than once in a pause. When it does not answer, the
//! keys that are known go on being good.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Empty;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Jwks;
use super::keys::Key;
use crate::fetch::{Fetch, Unaskable};

/// The least time between two fetches, where there are keys and where there are none yet.
const PAUSE: Duration = Duration::from_secs(10);
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(1);
/// The most keys that are taken of one set.
const MOST_KEYS: usize = 128;

/// The keys of one issuer.
pub(super) struct KeySet {
    fetch: Fetch,
    url: Uri,
    refresh: Duration,
    known: ArcSwap<Known>,
    /// When the issuer was asked last. Whoever holds it is asking.
    asked: Mutex<Option<Instant>>,
}

/// Keys as they were published last.
#[derive(Default)]
pub(super) struct Known {
    pub(super) keys: Vec<Key>,
    since: Option<Instant>,
}

/// A key set of which each key is read by itself: one of an unknown kind does not spoil the others.
#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

// === impl Known ===

impl Known {
    /// Whether there is no key to check a token with.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

// === impl KeySet ===

impl KeySet {
    pub(super) fn new(settings: &Jwks) -> Result<Self, Unaskable> {
        let (fetch, url) = Fetch::new(&settings.url, settings.ca.as_deref(), settings.timeout.as_std())?;
        let refresh = settings.refresh.as_std();
        Ok(Self { fetch, url, refresh, known: ArcSwap::default(), asked: Mutex::default() })
    }

    /// The keys as they were published last.
    pub(super) fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    /// Has keys that have become old fetched again, while requests go on with what is known.
    pub(super) fn refresh_if_stale(self: &Arc<Self>) {
        let is_stale = self.known.load().since.is_some_and(|since| since.elapsed() >= self.refresh);
        // Somebody who is asking already asks for all.
        if is_stale && self.asked.try_lock().is_ok_and(|asked| self.may_ask(*asked)) {
            let set = self.clone();
            drop(tokio::spawn(async move { drop(set.look_again().await) }));
        }
    }

    /// Asks the issuer, unless it was asked just now, and tells what is known then.
    pub(super) async fn look_again(&self) -> Arc<Known> {
        let mut asked = self.asked.lock().await;
        if self.may_ask(*asked) {
            match self.fetched().await {
                Ok(keys) => {
                    log::debug!("{}: {} keys", self.url, keys.len());
                    self.known.store(Arc::new(Known { keys, since: Some(Instant::now()) }));
                }
                Err(cause) => log::warn!("{}: no keys: {cause}", self.url),
            }
            *asked = Some(Instant::now());
        }
        self.known()
    }

    fn may_ask(&self, asked: Option<Instant>) -> bool {
        let pause = if self.known.load().is_empty() { PAUSE_WITHOUT_KEYS } else { PAUSE };
        asked.is_none_or(|asked| asked.elapsed() >= pause)
    }

    async fn fetched(&self) -> Result<Vec<Key>, String> {
        let request = Request::get(self.url.clone()).header(header::ACCEPT, "application/json");
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let (head, body) = self.fetch.ask(request).await.map_err(|error| error.to_string())?;
        if !head.status.is_success() {
            return Err(format!("the answer is {}", head.status));
        }
        let published: Published = serde_json::from_slice(&body)
            .map_err(|error| format!("expected a key set (RFC 7517): {error}"))?;
        let read = |key: Value| Key::published(&serde_json::from_value::<Jwk>(key).ok()?);
        let keys: Vec<_> = published.keys.into_iter().filter_map(read).take(MOST_KEYS).collect();
        // A set without a usable key is rather a mistake than a change of all keys to none.
        if keys.is_empty() { Err(String::from("no key in the set is one that signs")) } else { Ok(keys) }
    }
}
