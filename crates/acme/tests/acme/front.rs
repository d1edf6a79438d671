//! Listeners that answer challenges, as a proxy in front would.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwall_acme::Challenges;
use rustls::server::Acceptor;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::LazyConfigAcceptor;

type Answering = Pin<Box<dyn Future<Output = Option<()>> + Send>>;

/// A listener that answers challenges until it is dropped. It can be there before what it answers with.
#[derive(Debug)]
pub(crate) struct Front {
    listener: Option<TcpListener>,
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: Option<JoinHandle<()>>,
}

impl Front {
    pub(crate) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener: Some(listener), address, asked: Arc::default(), task: None }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections have come.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn http(mut self, challenges: &Challenges) -> Self {
        self.serve(challenges, |stream, challenges| Box::pin(http(stream, challenges)));
        self
    }

    pub(crate) fn tls(mut self, challenges: &Challenges) -> Self {
        self.serve(challenges, |stream, challenges| Box::pin(tls(stream, challenges)));
        self
    }

    fn serve(&mut self, challenges: &Challenges, answer: fn(TcpStream, Challenges) -> Answering) {
        let (listener, challenges) = (self.listener.take().unwrap(), challenges.clone());
        let asked = self.asked.clone();
        self.task = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream, challenges.clone()));
            }
        }));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn http(stream: TcpStream, challenges: Challenges) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut header = String::new();
    while stream.read_line(&mut header).await.ok()? > 2 {
        header.clear();
    }
    let path = line.split(' ').nth(1)?;
    let token = path.strip_prefix("/.well-known/acme-challenge/")?;
    let answer = match challenges.http(token).await {
        Some(body) => {
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        }
        None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    };
    stream.write_all(answer.as_bytes()).await.ok()
}

async fn tls(stream: TcpStream, challenges: Challenges) -> Option<()> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.ok()?;
    let hello = start.client_hello();
    let is_acme = hello.alpn()?.eq([b"acme-tls/1".as_slice()]);
    let key = challenges.tls_alpn(hello.server_name()?).await.filter(|_| is_acme)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let mut stream = start.into_stream(Arc::new(config)).await.ok()?;
    stream.shutdown().await.ok()
}
