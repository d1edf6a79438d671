//! What wrk asks for, and a look at the answer before it is asked for a million times.
//!
//! wrk believes whatever has the length that its head names. A peer that sends a page uncompressed, or an error instead of
//! it, would be measured with other work than the rest; so each answer is read once as a browser reads it.

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::tls::Credentials;

/// How many connections ask at the same time, unless a row says otherwise.
const CONNECTIONS: usize = 64;

/// How long an answer may take; only what is lost takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// What is asked for.
    pub path: String,
    /// How many keys there are in `X-Key`, one for each request; none if it is not sent.
    pub keys: Option<u32>,
    /// In which coding the answer has to come.
    pub coding: Option<Coding>,
    /// How long the content is, decoded; none where it does not matter.
    pub length: Option<usize>,
    /// Whether it is asked over TLS.
    pub tls: bool,
    /// How many connections ask at the same time.
    pub connections: usize,
}

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// For clients that take nothing else.
    Gzip,
    /// What browsers get that take everything.
    Brotli,
}

// === impl Load ===

impl Load {
    /// Plain requests for `path`, which is so long.
    pub fn of(path: &str, length: usize) -> Self {
        let (path, length) = (format!("/{path}"), Some(length));
        Self { path, keys: None, coding: None, length, tls: false, connections: CONNECTIONS }
    }

    /// Asks once; gives the length of the answer's body as it came, not decoded.
    ///
    /// # Errors
    ///
    /// When the answer is another one than it should be, or none.
    pub fn look(&self, address: SocketAddr, credentials: Option<&Credentials>) -> io::Result<usize> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let answered = timeout(PATIENCE, async {
                match credentials {
                    Some(credentials) => self.ask(address, credentials.connect(address).await?).await,
                    None => self.ask(address, TcpStream::connect(address).await?).await,
                }
            });
            answered.await?
        })
    }

    async fn ask<S>(&self, address: SocketAddr, stream: S) -> io::Result<usize>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut request = Request::get(&self.path).header(HOST, address.to_string());
        if let Some(coding) = self.coding {
            request = request.header(ACCEPT_ENCODING, coding.accepted());
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
        let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let asked = async { sender.send_request(request).await.map_err(io::Error::other) };
        let (response, body) = tokio::select! {
            // How the connection ends is told by the request that fails.
            _ = driver => return Err(io::ErrorKind::UnexpectedEof.into()),
            answer = async {
                let (head, body) = asked.await?.into_parts();
                Ok::<_, io::Error>((head, body.collect().await.map_err(io::Error::other)?.to_bytes()))
            } => answer?,
        };
        let coding =
            response.headers.get(CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()));
        self.judge(response.status, coding.as_deref(), &body)
    }

    /// Whether this is the answer.
    fn judge(&self, status: StatusCode, coding: Option<&str>, body: &[u8]) -> io::Result<usize> {
        let Some(expected) = self.length else { return Ok(body.len()) };
        let decoded = match self.coding {
            Some(of) if coding == Some(of.name()) => of.decode(body)?,
            _ => body.len(),
        };
        if (status, coding, decoded) == (StatusCode::OK, self.coding.map(Coding::name), expected) {
            return Ok(body.len());
        }
        let path = &self.path;
        let expected =
            format!("{path}: expected {expected} bytes as {}", told(self.coding.map(Coding::name)));
        Err(io::Error::other(format!(
            "{expected}, but came {status} and {decoded} bytes as {}",
            told(coding)
        )))
    }
}

fn told(coding: Option<&str>) -> &str {
    coding.unwrap_or("they are")
}

// === impl Coding ===

impl Coding {
    /// The name in `Content-Encoding`.
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }

    /// `Accept-Encoding` of those who are to get it.
    pub fn accepted(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "gzip, deflate, br, zstd",
        }
    }

    /// How long the content is.
    fn decode(self, body: &[u8]) -> io::Result<usize> {
        let mut content = Vec::new();
        match self {
            Self::Gzip => flate2::read::GzDecoder::new(body).read_to_end(&mut content),
            Self::Brotli => brotli::Decompressor::new(body, 1 << 16).read_to_end(&mut content),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_the_answer_that_was_asked_for_counts() {
        let gzip = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let plain = Load::of("4", 4);
        let coded = Load { coding: Some(Coding::Gzip), ..plain.clone() };
        let (whole, short) = (gzip(b"abcd"), gzip(b"abc"));
        let other = Load { length: None, ..plain.clone() };
        let rows = [
            ("as it is", &plain, 200, None, &b"abcd"[..], true),
            ("too short", &plain, 200, None, b"abc", false),
            ("an error", &plain, 404, None, b"abcd", false),
            ("coded, unasked", &plain, 200, Some("gzip"), b"abcd", false),
            ("coded", &coded, 200, Some("gzip"), &whole, true),
            ("coded, too short", &coded, 200, Some("gzip"), &short, false),
            ("not coded", &coded, 200, None, b"abcd", false),
            ("coded otherwise", &coded, 200, Some("br"), b"abcd", false),
            ("a length that does not matter", &other, 429, None, b"", true),
        ];
        for (case, load, status, coding, body, fine) in rows {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(load.judge(status, coding, body).is_ok(), fine, "{case}");
        }
        assert!(coded.judge(StatusCode::OK, Some("gzip"), b"not gzip").is_err(), "what cannot be decoded");
    }
}
