//! One line for each request.
//!
//! A worker writes the line into a bounded buffer; a thread of its own writes that out. When the disk is slower
//! than the traffic, lines are dropped and counted, requests are not held up. `Authorization` and cookies are never
//! logged, and the values of query parameters that are named like secrets are replaced.

mod combined;
mod json;
pub(crate) mod redact;
mod writer;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Version, header};

use crate::connection::Tls;
use crate::{Context, Outcome};
pub use redact::is_redacted;
pub use writer::{LogTarget, LogWriter};

/// The status that stands for a client which left before it was answered, as in nginx.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Where and how requests are logged.
#[derive(Debug, Clone)]
pub struct AccessLog {
    format: LogFormat,
    writer: Arc<LogWriter>,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object.
    Json,
    /// nginx's `combined`, byte for byte.
    Combined,
}

/// Everything a line can tell.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) time: SystemTime,
    pub(crate) client: IpAddr,
    pub(crate) user: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) uri: Cow<'a, str>,
    pub(crate) version: Version,
    pub(crate) scheme: &'static str,
    pub(crate) host: Option<&'a str>,
    pub(crate) referer: Option<Cow<'a, str>>,
    pub(crate) user_agent: Option<Cow<'a, str>>,
    pub(crate) status: u16,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) duration: Duration,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) site: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
    pub(crate) tls: Option<&'a Tls>,
    pub(crate) upstream: Option<&'a str>,
    pub(crate) server: Option<&'a str>,
    pub(crate) attempts: u32,
    pub(crate) connect: Option<Duration>,
    pub(crate) cache: Option<&'static str>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) request_id: &'a str,
    pub(crate) kind: &'static str,
}

impl AccessLog {
    /// Logs in this form to this writer.
    pub fn new(format: LogFormat, writer: Arc<LogWriter>) -> Self {
        Self { format, writer }
    }

    /// The writer, to have its file reopened.
    pub fn writer(&self) -> &Arc<LogWriter> {
        &self.writer
    }

    pub(crate) fn write(&self, record: &Record<'_>) {
        self.writer.push(|buffer| match self.format {
            LogFormat::Json => json::write(buffer, record),
            LogFormat::Combined => combined::write(buffer, record),
        });
    }
}

impl<'a> Record<'a> {
    /// What is to be told of a request that ended like this.
    pub(crate) fn of(cx: &'a Context, headers: &'a HeaderMap, outcome: &Outcome, kind: &'static str) -> Self {
        let line = cx.request_line();
        let text = |name| {
            headers.get(name).map(|value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()))
        };
        Self {
            time: SystemTime::now() - outcome.duration,
            client: cx.client_address(),
            user: cx.user().map(|user| &**user),
            method: line.method.as_str(),
            uri: redact::uri(line.uri.path_and_query().map_or("/", |target| target.as_str())),
            version: line.version,
            scheme: cx.scheme(),
            host: cx.host(),
            referer: text(header::REFERER).map(redact::owned_uri),
            user_agent: text(header::USER_AGENT),
            status: outcome.status.map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16()),
            bytes_received: outcome.bytes_received,
            bytes_sent: outcome.bytes_sent,
            duration: outcome.duration,
            first_byte: cx.verdict.answered,
            site: cx.route().map(|route| &*route.site),
            route: cx.route().map(|route| &*route.name),
            tls: cx.tls(),
            upstream: cx.forward.as_ref().map(|forward| &**forward.upstream.name()),
            server: cx.tried().last().map(|server| &**server),
            attempts: cx.attempt(),
            connect: cx.attempts.connect,
            cache: cx.cache(),
            reason: outcome.reason,
            request_id: cx.request_id(),
            kind,
        }
    }
}

/// The protocol as request lines write it.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
fn sample() -> Record<'static> {
    Record {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_150_801_250),
        client: IpAddr::from([192, 0, 2, 1]),
        user: None,
        method: "GET",
        uri: "/a?b=c".into(),
        version: Version::HTTP_11,
        scheme: "http",
        host: Some("app.example.com"),
        referer: None,
        user_agent: Some("curl/8.0 \"x\"\n".into()),
        status: 200,
        bytes_received: 0,
        bytes_sent: 66,
        duration: Duration::from_micros(1500),
        first_byte: Some(Duration::from_micros(1200)),
        site: Some("app"),
        route: Some("api"),
        tls: None,
        upstream: Some("app"),
        server: Some("127.0.0.1:31337"),
        attempts: 1,
        connect: None,
        cache: None,
        reason: None,
        request_id: "42",
        kind: "http",
    }
}
