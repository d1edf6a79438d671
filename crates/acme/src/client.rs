//! HTTP to a CA: with a deadline, a limit on what is read, and errors that name the host.
//!
//! It stands under instant-acme's protocol. What a broken CA or a proxy before it may send, HTML above all, ends here
//! as a sentence that a person can act upon.

use std::error::Error as StdError;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::authority::host;
use crate::renewal::ASK_AGAIN;

/// The longest answer that is read. Directories and chains have a few kilobytes.
const LONGEST: usize = 1024 * 1024;

/// How much of an answer that is no answer is shown.
const SHOWN: usize = 200;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("headwall-acme/", env!("CARGO_PKG_VERSION")));

/// A client for one CA. Cheap to clone; clones share connections and what was heard.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    heard: Arc<Mutex<Heard>>,
}

/// What a CA said about time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// With the last answer: when to ask again.
    pub(crate) retry_after: Option<Duration>,
    /// With the last refusal for asking too much, 429 or 503.
    pub(crate) back_off: Option<Duration>,
}

/// Why a request got no answer that means anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The file with the roots cannot be used.
    #[error("the CA's root certificates in {}: {cause}", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The platform has no roots.
    #[error("no root certificates to trust on this machine: {0}")]
    PlatformRoots(String),
    /// The address is none.
    #[error("expected a URL such as https://ca.example/directory, found `{0}`")]
    Url(String),
    /// The host cannot be reached, or the connection broke.
    #[error("{host} cannot be reached: {cause}")]
    Unreachable {
        /// The host.
        host: String,
        /// The chain of causes.
        cause: String,
    },
    /// The host is silent.
    #[error("{host} did not answer within {} s", limit.as_secs_f64())]
    Timeout {
        /// The host.
        host: String,
        /// How long it had.
        limit: Duration,
    },
    /// The host answered something else.
    #[error("{host} answered {status} with {what}: {begin:?}")]
    Nonsense {
        /// The host.
        host: String,
        /// The status.
        status: StatusCode,
        /// The content type.
        what: String,
        /// How it begins.
        begin: String,
    },
    /// The host refused.
    #[error("{host} answered {status}")]
    Refused {
        /// The host.
        host: String,
        /// The status.
        status: StatusCode,
    },
}

/// Whom a client trusts.
#[derive(Clone, Copy)]
enum Roots<'a> {
    Platform,
    File(&'a PathBuf),
    Nobody,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) parts: http::response::Parts,
    pub(crate) body: Bytes,
}

// === impl Client ===

impl Client {
    /// A client that trusts the roots in a PEM file, or else the platform's.
    pub(crate) fn new(root: Option<&PathBuf>, timeout: Duration) -> Result<Self, ClientError> {
        Self::trusting(root.map_or(Roots::Platform, Roots::File), timeout)
    }

    /// A client for a URL of the operator's. Without TLS in it, a machine without roots is fine.
    pub(crate) fn for_url(url: &str, timeout: Duration) -> Result<Self, ClientError> {
        let is_plain = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
        Self::trusting(if is_plain { Roots::Nobody } else { Roots::Platform }, timeout)
    }

    fn trusting(roots: Roots<'_>, timeout: Duration) -> Result<Self, ClientError> {
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| ClientError::PlatformRoots(error.to_string()))?;
        let config = match roots {
            Roots::Nobody => config.with_root_certificates(RootCertStore::empty()),
            Roots::File(path) => config.with_root_certificates(read_roots(path)?),
            Roots::Platform => config
                .try_with_platform_verifier()
                .map_err(|error| ClientError::PlatformRoots(error.to_string()))?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        let http = HyperClient::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, timeout, heard: Arc::default() })
    }

    /// What the CA said about time, last.
    pub(crate) fn heard(&self) -> Heard {
        *self.heard.lock()
    }

    /// Sends a request and reads the whole answer, all within the deadline.
    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let host = host(&request.uri().to_string());
        request.headers_mut().insert(USER_AGENT, AGENT);
        let exchange = async {
            let unreachable = |error: &(dyn StdError + 'static)| ClientError::Unreachable {
                host: host.clone(),
                cause: chain(error),
            };
            let response = self.http.request(request).await.map_err(|error| unreachable(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, LONGEST).collect().await.map_err(|error| unreachable(&*error))?;
            Ok(Answer { parts, body: body.to_bytes() })
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(ClientError::Timeout { host: host.clone(), limit: self.timeout }))
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let (host, method) = (host(&request.uri().to_string()), request.method().clone());
        let mut answer = self.send(request).await?;
        let retry_after = retry_after(&answer.parts.headers);
        let mut heard = self.heard.lock();
        heard.retry_after = retry_after;
        let is_too_much =
            matches!(answer.parts.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if is_too_much && let Some(wait) = retry_after {
            heard.back_off = Some(wait);
        }
        drop(heard);
        check(&host, &method, &answer)?;
        // instant-acme refuses a renewal window without a pause, which a CA may leave out (RFC 9773 4.3).
        if method == Method::GET && !answer.parts.headers.contains_key(RETRY_AFTER) {
            answer.parts.headers.insert(RETRY_AFTER, ASK_AGAIN.as_secs().into());
        }
        Ok(answer)
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let request = Request::from_parts(parts, Full::new(body.to_bytes()));
            let answer = client.ask(request).await;
            let answer = answer.map_err(|error| instant_acme::Error::Other(Box::new(error)))?;
            Ok(BytesResponse { parts: answer.parts, body: Box::new(answer.body) })
        })
    }
}

/// Refuses what instant-acme would call a syntax error: pages of a proxy, refusals outside the protocol.
fn check(host: &str, method: &Method, answer: &Answer) -> Result<(), ClientError> {
    let status = answer.parts.status;
    let body = answer.body.as_ref();
    let is_failure = status.is_client_error() || status.is_server_error();
    if *method == Method::HEAD || (body.is_empty() && !is_failure) {
        return Ok(());
    }
    let refused = || ClientError::Refused { host: host.to_owned(), status };
    if body.is_empty() {
        return Err(refused());
    }
    let is_chain = body.starts_with(b"-----BEGIN");
    if !is_chain && !serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|value| value.is_object()) {
        let what = answer.parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let begin = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
        let what = what.unwrap_or("no content type").to_owned();
        return Err(ClientError::Nonsense { host: host.to_owned(), status, what, begin });
    }
    // To a POST, instant-acme reads the problem by itself.
    if is_failure && *method != Method::POST {
        return Err(serde_json::from_slice::<instant_acme::Problem>(body).map_or_else(
            |_| refused(),
            |problem| ClientError::Nonsense {
                host: host.to_owned(),
                status,
                what: problem.r#type.unwrap_or_else(|| "a problem".to_owned()),
                begin: problem.detail.unwrap_or_default(),
            },
        ));
    }
    Ok(())
}

fn read_roots(path: &PathBuf) -> Result<RootCertStore, ClientError> {
    let failed = |cause: String| ClientError::Root { path: path.clone(), cause };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("expected at least one certificate as PEM, found none".to_owned()));
    }
    Ok(roots)
}

/// Seconds, or a date (RFC 9110 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(crate::pace::until(date.timestamp(), jiff::Timestamp::now()))
}

/// An error with its causes, each once.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &'static str) -> Answer {
        let response = http::Response::builder().status(status).header(CONTENT_TYPE, content_type);
        let (parts, body) = response.body(body).unwrap().into_parts();
        Answer { parts, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn what_is_no_acme_is_told_with_host_and_beginning() {
        let rows = [
            (Method::GET, 200, "{\"newNonce\": \"\"}", None, "a directory"),
            (Method::POST, 200, "-----BEGIN CERTIFICATE-----", None, "a chain"),
            (Method::POST, 200, "", None, "nothing to say"),
            (Method::POST, 400, "{\"type\": \"badNonce\"}", None, "a problem is the protocol's"),
            (Method::HEAD, 502, "", None, "a HEAD has no body"),
            (Method::GET, 200, "<html>Welcome", Some("<html>Welcome"), "a page"),
            (Method::POST, 200, "[]", Some("[]"), "JSON that is no object"),
            (Method::POST, 502, "<html>Bad Gateway", Some("502 Bad Gateway with text/x"), "a proxy's page"),
            (Method::POST, 502, "", Some("answered 502"), "a refusal without a word"),
            (
                Method::GET,
                503,
                "{\"type\": \"t\", \"detail\": \"closed\"}",
                Some("closed"),
                "a problem for a GET",
            ),
        ];
        for (method, status, body, expected, message) in rows {
            let error = check("ca.example", &method, &answer(status, "text/x", body)).err();
            let error = error.map(|error| error.to_string());
            assert_eq!(error.is_some(), expected.is_some(), "{message}: {error:?}");
            if let (Some(error), Some(expected)) = (error, expected) {
                assert!(error.contains(expected) && error.contains("ca.example"), "{message}: {error}");
            }
        }
    }

    #[test]
    fn a_pause_is_seconds_or_a_date() {
        let parse = |text: &str| {
            let value = text.parse().unwrap();
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
        };
        assert_eq!(parse("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO), "a date that is past");
        assert!(parse("Thu, 31 Dec 2099 23:59:59 GMT").is_some_and(|wait| wait > Duration::from_secs(86400)));
        assert_eq!(parse("soon"), None);
    }

    #[test]
    fn a_root_file_that_is_none_is_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        for path in [empty, dir.path().join("missing.pem")] {
            let error = Client::new(Some(&path), Duration::from_secs(1)).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
