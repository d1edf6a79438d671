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

/// The least time between two fetches.
const PAUSE: Duration = Duration::from_secs(10);
/// The same for as long as there are no keys at all.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(1);
/// The most keys that are taken of one set.
const MOST_KEYS: usize = 128;

/// The keys of one issuer.
pub(super) struct KeySet {
    fetch: Fetch,
    url: Uri,
    refresh: Duration,
    /// The least time between two fetches.
    pause: Duration,
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
        Ok(Self { fetch, url, refresh, pause: PAUSE, known: ArcSwap::default(), asked: Mutex::default() })
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
        let pause =
            if self.known.load().is_empty() { PAUSE_WITHOUT_KEYS.min(self.pause) } else { self.pause };
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const ONE: &str =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    /// An issuer that answers one connection after the other from this list, and with nothing when it is at its end.
    async fn issuer(answers: &'static [(&str, &str)]) -> (Jwks, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = hits.clone();
        tokio::spawn(async move {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0, "a request comes");
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let (refresh, timeout) = ("0s".parse().unwrap(), "5s".parse().unwrap());
        (Jwks { url, refresh, timeout, ca: None }, hits)
    }

    #[tokio::test]
    async fn of_many_that_wait_one_asks() {
        let (settings, hits) = issuer(&[("200 OK", ONE), ("200 OK", ONE)]).await;
        let set = Arc::new(KeySet::new(&settings).unwrap());
        let waiting = (0..20).map(|_| {
            let set = set.clone();
            tokio::spawn(async move { set.look_again().await.keys.len() })
        });
        for waiting in waiting.collect::<Vec<_>>() {
            assert_eq!(waiting.await.unwrap(), 1);
        }
        assert_eq!(hits.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_is_no_answer_leaves_the_keys_that_are_known() {
        let answers = &[
            ("200 OK", ONE),
            ("500 Internal Server Error", ONE),
            ("200 OK", "<html>"),
            ("200 OK", r#"{"keys":[]}"#),
            ("302 Found", ""),
        ];
        let (settings, hits) = issuer(answers).await;
        let set = KeySet { pause: Duration::ZERO, ..KeySet::new(&settings).unwrap() };
        for asked in 1..=answers.len() + 1 {
            assert_eq!(set.look_again().await.keys.len(), 1, "asked {asked} times");
        }
        assert_eq!(hits.load(Ordering::Relaxed), answers.len(), "and once when nobody listened");
    }

    #[tokio::test]
    async fn old_keys_are_fetched_anew_while_requests_go_on() {
        let (settings, hits) = issuer(&[("200 OK", ONE), ("200 OK", ONE)]).await;
        let set = Arc::new(KeySet { pause: Duration::ZERO, ..KeySet::new(&settings).unwrap() });
        let first = set.look_again().await.since;
        set.refresh_if_stale();
        assert_eq!(set.known().keys.len(), 1, "nobody waits");
        let renewed = async {
            while set.known().since == first {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), renewed).await.unwrap();
        assert_eq!(hits.load(Ordering::Relaxed), 2);
    }
}
