//! A CA whose every answer is the test's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// An HTTPS server that answers as a closure says, until it is dropped.
#[derive(Debug)]
pub(crate) struct Ca {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    whole: Vec<u8>,
    body: Vec<u8>,
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

// === impl Ca ===

impl Ca {
    /// Serves with the certificate and key in two PEM files.
    pub(crate) async fn start(
        certificate: &Path,
        key: &Path,
        answer: impl Fn(SocketAddr, Request) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await.ok()?;
                    let request = Request::read(&mut stream).await?;
                    stream.write_all(&answer(address, request).await).await.ok()?;
                    stream.shutdown().await.ok()
                });
            }
        });
        Self { address, task }
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }
}

impl Drop for Ca {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Request ===

impl Request {
    async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut whole = Vec::new();
        loop {
            if stream.read_buf(&mut whole).await.ok()? == 0 {
                return None;
            }
            let Some(end) = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&whole[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let body = whole[end + 4..].to_vec();
            if body.len() < length.unwrap_or(0) {
                continue;
            }
            let first = String::from_utf8_lossy(&whole).lines().next()?.to_owned();
            let mut words = first.split(' ').map(str::to_owned);
            return Some(Self { method: words.next()?, path: words.next()?, whole, body });
        }
    }

    /// The payload of a signed request.
    pub(crate) fn payload(&self) -> Value {
        let jws: Value = serde_json::from_slice(&self.body).unwrap();
        let payload = BASE64_URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap_or(Value::Null)
    }

    /// What another CA, to which `root` leads, answers to the same request.
    pub(crate) async fn forward(&self, to: &str, root: &Path) -> Vec<u8> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(to).await.unwrap();
        let name = "127.0.0.1".try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let end = self.whole.windows(2).position(|bytes| bytes == b"\r\n").unwrap();
        // In HTTP/1.0 the answer is not chunked, and ends with the connection.
        let first = format!("{} {} HTTP/1.0", self.method, self.path);
        stream.write_all(&[first.as_bytes(), &self.whole[end..]].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }
}

/// An answer with headers, each ended by a line's end, and a body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

/// The same answer with a JSON body that `change` has changed.
pub(crate) fn changed(answer: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let Ok(mut body) = serde_json::from_str(body) else { return answer.to_vec() };
    change(&mut body);
    let body = body.to_string();
    let is_length = |line: &&str| line.to_lowercase().starts_with("content-length");
    let head: Vec<&str> = head.lines().filter(|line| !is_length(line)).collect();
    format!("{}\r\ncontent-length: {}\r\n\r\n{body}", head.join("\r\n"), body.len()).into_bytes()
}

/// A certificate of its own for 127.0.0.1 and its key, as files.
pub(crate) fn certificate(dir: &Path) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let paths = (dir.join("ca.pem"), dir.join("ca-key.pem"));
    std::fs::write(&paths.0, certificate.pem()).unwrap();
    std::fs::write(&paths.1, key.serialize_pem()).unwrap();
    paths
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
