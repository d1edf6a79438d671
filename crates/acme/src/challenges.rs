//! Answers to a CA's challenges, for the listeners to give.
//!
//! They are in memory for this process and in the storage for the others: a CA may reach any of the processes that share
//! a name, and none but one of them has asked for the certificate.

mod tls_alpn;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use rustls::sign::CertifiedKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pace::{Clock, until};
use crate::storage::Storage;
use crate::{Acme, Identifier};

pub(crate) use tls_alpn::CannotAnswer;

/// Answers in the storage that are older than this were left behind by a process that is gone.
const STALE: Duration = Duration::from_secs(60 * 60);

/// The answers of the moment. Cheap to clone.
///
/// A listener for plain HTTP asks [`http`](Self::http) for `/.well-known/acme-challenge/<token>`; one for TLS asks
/// [`tls_alpn`](Self::tls_alpn) when a client offers `acme-tls/1` and nothing else.
#[derive(Clone)]
pub struct Challenges {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Storage,
    clock: Arc<dyn Clock>,
    http: RwLock<HashMap<String, String>>,
    tls_alpn: RwLock<HashMap<String, Arc<CertifiedKey>>>,
    pending: AtomicUsize,
}

/// An answer that is given until this is dropped.
#[derive(Debug)]
pub(crate) struct Presented {
    challenges: Challenges,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Http { token: String },
    TlsAlpn { server_name: String, key: Arc<CertifiedKey> },
}

/// HTTP-01's answer, in the storage.
#[derive(Serialize, Deserialize)]
struct HttpRecord {
    key_authorization: String,
    made: Timestamp,
}

/// What TLS-ALPN-01's answer is made of, in the storage. Its key proves nothing, so each process makes its own.
#[derive(Serialize, Deserialize)]
struct TlsAlpnRecord {
    identifier: String,
    /// SHA-256 of the key authorization.
    digest: [u8; 32],
    made: Timestamp,
}

// === impl Challenges ===

impl Challenges {
    pub(crate) fn new(storage: Storage, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            storage,
            clock,
            http: RwLock::default(),
            tls_alpn: RwLock::default(),
            pending: AtomicUsize::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The body to answer a token with, as `application/octet-stream` (RFC 8555 8.3). None where no CA was told that
    /// token, by this process or another on the same storage.
    pub async fn http(&self, token: &str) -> Option<String> {
        if !is_token(token) {
            return None;
        }
        if let Some(answer) = self.inner.http.read().get(token).cloned() {
            return Some(answer);
        }
        let record = self.stored::<HttpRecord>(http_file(token), |record| record.made).await?;
        Some(record.key_authorization)
    }

    /// The certificate to show to a CA that connects with ALPN `acme-tls/1` and this server name (RFC 8737 3). None
    /// where no CA was told to.
    pub async fn tls_alpn(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        let server_name = server_name.to_ascii_lowercase();
        if !is_server_name(&server_name) {
            return None;
        }
        if let Some(key) = self.inner.tls_alpn.read().get(&server_name).cloned() {
            return Some(key);
        }
        let file = tls_alpn_file(&server_name);
        let record = self.stored::<TlsAlpnRecord>(file, |record| record.made).await?;
        let made = tls_alpn::certificate(&record.identifier, &record.digest);
        made.inspect_err(|error| log::warn!("{server_name}: {error}")).ok().map(Arc::new)
    }

    /// Whether a challenge of this process waits for an answer. Others' are in the storage and not counted, so a
    /// storage that is shared has to be asked all the same.
    pub fn is_pending(&self) -> bool {
        self.inner.pending.load(Ordering::Acquire) > 0
    }

    pub(crate) fn present_http(
        &self,
        token: &str,
        key_authorization: &str,
    ) -> Result<Presented, CannotAnswer> {
        if !is_token(token) {
            return Err(CannotAnswer::Token);
        }
        let record =
            HttpRecord { key_authorization: key_authorization.to_owned(), made: self.inner.clock.now() };
        self.inner.storage.write_record(&http_file(token), &record)?;
        self.inner.http.write().insert(token.to_owned(), record.key_authorization);
        Ok(self.presented(Answer::Http { token: token.to_owned() }))
    }

    pub(crate) fn present_tls_alpn(
        &self,
        identifier: &Identifier,
        digest: [u8; 32],
    ) -> Result<Presented, CannotAnswer> {
        let (server_name, identifier) = (identifier.tls_alpn_name(), identifier.base());
        let key = Arc::new(tls_alpn::certificate(&identifier, &digest)?);
        let record = TlsAlpnRecord { identifier, digest, made: self.inner.clock.now() };
        self.inner.storage.write_record(&tls_alpn_file(&server_name), &record)?;
        self.inner.tls_alpn.write().insert(server_name.clone(), key.clone());
        Ok(self.presented(Answer::TlsAlpn { server_name, key }))
    }

    fn presented(&self, answer: Answer) -> Presented {
        self.inner.pending.fetch_add(1, Ordering::AcqRel);
        Presented { challenges: self.clone(), answer }
    }

    /// A record of another process. Read on a thread for it: the storage may be a network's.
    async fn stored<T: DeserializeOwned + Send + 'static>(
        &self,
        file: String,
        made: impl FnOnce(&T) -> Timestamp,
    ) -> Option<T> {
        let storage = self.inner.storage.clone();
        let read = tokio::task::spawn_blocking(move || storage.record::<T>(&file)).await.ok()?;
        let record = read.inspect_err(|error| log::warn!("a challenge's answer: {error}")).ok()??;
        let is_stale = until(self.inner.clock.now(), made(&record)) > STALE;
        (!is_stale).then_some(record)
    }
}

impl Acme {
    /// Answers to challenges, for the listeners.
    pub fn challenges(&self) -> &Challenges {
        &self.inner.challenges
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges").field("pending", &self.inner.pending).finish_non_exhaustive()
    }
}

// === impl Presented ===

impl Drop for Presented {
    fn drop(&mut self) {
        let inner = &self.challenges.inner;
        let file = match &self.answer {
            Answer::Http { token } => {
                inner.http.write().remove(token);
                Some(http_file(token))
            }
            Answer::TlsAlpn { server_name, key } => {
                let mut answers = inner.tls_alpn.write();
                // Another order for the same name may have its own answer by now.
                let is_ours = answers.get(server_name).is_some_and(|current| Arc::ptr_eq(current, key));
                is_ours.then(|| answers.remove(server_name)).map(|_| tls_alpn_file(server_name))
            }
        };
        if let Some(Err(error)) = file.map(|file| inner.storage.remove(&file)) {
            log::warn!("a challenge's answer stays until it is stale: {error}");
        }
        inner.pending.fetch_sub(1, Ordering::AcqRel);
    }
}

fn http_file(token: &str) -> String {
    format!("challenges/http-01/{token}.json")
}

fn tls_alpn_file(server_name: &str) -> String {
    format!("challenges/tls-alpn-01/{server_name}.json")
}

/// A token is base64url (RFC 8555 8.3). It comes from a client here and becomes a file's name, so nothing else passes.
fn is_token(token: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=128).contains(&token.len()) && token.bytes().all(is_known)
}

/// A server name becomes a file's name too.
fn is_server_name(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::after;
    use crate::testing::HandClock;

    fn challenges(storage: &Storage) -> (Challenges, Arc<HandClock>) {
        let clock = Arc::new(HandClock::default());
        (Challenges::new(storage.clone(), clock.clone()), clock)
    }

    #[test]
    fn what_could_leave_the_directory_is_no_token_and_no_name() {
        let rows = [
            ("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", true, true),
            ("", false, false),
            ("..", false, false),
            ("../accounts/ca/key", false, false),
            ("a/b", false, false),
            ("a%2fb", false, false),
            ("a\0b", false, false),
            ("app.example.com", false, true),
            (".hidden", false, false),
            ("app..example", false, false),
        ];
        for (text, token, server_name) in rows {
            assert_eq!(is_token(text), token, "{text:?} as a token");
            assert_eq!(is_server_name(text), server_name, "{text:?} as a server name");
        }
        assert!(!is_token(&"a".repeat(129)), "a token too long");
    }

    #[tokio::test]
    async fn an_answer_is_given_by_every_process_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        let (asked, _) = challenges(&storage);
        let (other, clock) = challenges(&storage);
        let name: Identifier = "app.example.com".parse().unwrap();
        let http = asked.present_http("token-1", "token-1.thumb").unwrap();
        let tls = asked.present_tls_alpn(&name, [7; 32]).unwrap();
        assert!(asked.is_pending() && !other.is_pending());
        for (who, challenges) in [("this process", &asked), ("another", &other)] {
            assert_eq!(challenges.http("token-1").await.as_deref(), Some("token-1.thumb"), "{who}");
            assert!(challenges.http("token-2").await.is_none(), "{who}: a token nobody asked for");
            let key = challenges.tls_alpn("APP.example.com").await.expect(who);
            let (_, parsed) = x509_parser::parse_x509_certificate(&key.cert[0]).unwrap();
            let acme = parsed.iter_extensions().find(|e| e.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
            let acme = acme.expect("the extension of RFC 8737");
            assert!(acme.critical && acme.value[2..] == [7; 32], "{who}");
            assert!(challenges.tls_alpn("other.example.com").await.is_none(), "{who}: another name");
        }

        clock.set(after(clock.now(), STALE + Duration::from_secs(1)));
        assert!(other.http("token-1").await.is_none(), "what is that old was left behind");
        clock.set(Timestamp::from_second(1_800_000_000).unwrap());

        drop((http, tls));
        assert!(!asked.is_pending());
        for challenges in [&asked, &other] {
            assert!(challenges.http("token-1").await.is_none());
            assert!(challenges.tls_alpn("app.example.com").await.is_none());
        }
    }
}
