//! HTTP requests of our own to addresses outside the config's upstreams.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwall_core::error::chain;
use http::{Request, Uri, response};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The longest answer that is read.
const LONGEST: usize = 256 * 1024;

/// Asks one address.
pub(crate) struct Fetch {
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    timeout: Duration,
}

/// Why an address cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unaskable {
    #[error("expected an address such as https://id.example.com/keys, found `{0}`")]
    Url(String),
    /// What stands before an `@` would be logged with the address, so it is not repeated here either.
    #[error("expected an address without a name and a password in it")]
    Credentials,
    #[error("{}: expected certificates in PEM, {cause}", path.display())]
    Roots { path: PathBuf, cause: String },
    #[error("the certificates that this system trusts cannot be read: {0}")]
    Platform(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("{0}")]
    Unreachable(String),
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Fetch {
    /// Asks `url`, trusting the certificates in the file, or else those that the system trusts.
    pub(crate) fn new(url: &str, roots: Option<&Path>, timeout: Duration) -> Result<(Self, Uri), Unaskable> {
        if url.split('/').nth(2).is_some_and(|authority| authority.contains('@')) {
            return Err(Unaskable::Credentials);
        }
        let unaskable = || Unaskable::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| unaskable())?;
        let is_plain = match uri.scheme_str() {
            Some("http") => true,
            Some("https") => false,
            Some(_) | None => return Err(unaskable()),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Unaskable::Platform(error.to_string()))?;
        let config = match roots {
            Some(path) => config.with_root_certificates(read(path)?),
            // A machine without roots is fine where no TLS is spoken.
            None if is_plain => config.with_root_certificates(RootCertStore::empty()),
            None => {
                config.try_with_platform_verifier().map_err(|error| Unaskable::Platform(error.to_string()))?
            }
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        let http = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(4))
            .pool_max_idle_per_host(64)
            .build(connector);
        Ok((Self { http, timeout }, uri))
    }

    /// Sends a request and reads the whole answer, all in time.
    pub(crate) async fn ask(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<(response::Parts, Bytes), Unanswered> {
        let exchange = async {
            let unreachable = |error: &(dyn StdError + 'static)| Unanswered::Unreachable(chain(error));
            let answer = self.http.request(request).await.map_err(|error| unreachable(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LONGEST).collect().await.map_err(|error| unreachable(&*error))?;
            Ok((head, body.to_bytes()))
        };
        let answer = tokio::time::timeout(self.timeout, exchange).await;
        answer.unwrap_or(Err(Unanswered::Late(self.timeout)))
    }
}

fn read(path: &Path) -> Result<RootCertStore, Unaskable> {
    let roots = |cause: String| Unaskable::Roots { path: path.to_owned(), cause };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| roots(error.to_string()))? {
        let certificate = certificate.map_err(|error| roots(error.to_string()))?;
        store.add(certificate).map_err(|error| roots(error.to_string()))?;
    }
    if store.is_empty() { Err(roots(String::from("found none"))) } else { Ok(store) }
}
