//! Everything about the server that is not about what it serves: listeners, limits, logs.
//!
//! Each of these types is whole after reading (no name in it points elsewhere), so the file's and the
//! configuration's are the same.

use super::{ListenAddress, Network};
use garde::Validate;
use headwall_units::{Duration, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Listener")]
pub(crate) struct WrittenListener {
    /// `"host:port"`, `"[::]:port"` for every address (IPv4 too), or `"unix:/path"`.
    pub(crate) address: ListenAddress,
    /// Whether TLS is spoken. Default: on port 443 it is, if a site has `tls`.
    #[serde(default)]
    pub(crate) tls: Option<bool>,
    /// Whether HTTP/2 is spoken beside HTTP/1.1: over TLS with clients that ask for it, without TLS with clients that
    /// begin with it. Default: over TLS it is.
    #[serde(default)]
    pub(crate) http2: Option<bool>,
    /// Networks of proxies that say in front of each connection who their client is (PROXY protocol, version 1 or 2).
    /// Default: nobody does.
    #[serde(default)]
    pub(crate) proxy_protocol: Vec<Network>,
}

/// What is known of clients before they say anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// Networks of proxies whose word about the client's address is taken. Default: nobody.
    pub trusted_proxies: Vec<Network>,
    /// Tells upstreams of the client in `Forwarded` (RFC 7239) too, beside the `X-Forwarded-` headers. Default: `false`.
    pub forwarded: bool,
}

/// Limits of client connections. They are all on by default, so that a client that is slow, or says too much,
/// costs nobody else anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How long the whole head of a request may take; the answer is 408. Default: `10s`.
    #[garde(custom(more_than_nothing))]
    pub header_timeout: Duration,
    /// How long an idle connection is kept for a next request. Default: `75s`.
    #[garde(custom(more_than_nothing))]
    pub keepalive_timeout: Duration,
    /// How long a connection may take to come to its first request: the PROXY header and the TLS handshake.
    /// Default: `10s`.
    #[garde(custom(more_than_nothing))]
    pub handshake_timeout: Duration,
    /// The longest pause between two reads of a request's body; the answer is 408. Default: `30s`.
    #[garde(custom(more_than_nothing))]
    pub body_timeout: Duration,
    /// The longest pause between two writes of a response. Default: `60s`.
    #[garde(custom(more_than_nothing))]
    pub send_timeout: Duration,
    /// The most client connections at a time, on all listeners together. Default: `10000`.
    #[garde(range(min = 1))]
    pub max_connections: u32,
    /// The most requests at a time on one HTTP/2 connection. Default: `100`.
    #[garde(range(min = 1, max = 10000))]
    pub max_concurrent_streams: u32,
    /// The most bytes of all header fields of a request together; the answer is 431. Default: `32k`.
    #[garde(custom(a_head))]
    pub max_header_size: Size,
    /// The most header fields of a request; the answer is 431. Default: `100`.
    #[garde(range(min = 1, max = 10000))]
    pub max_header_count: u16,
    /// The most bytes of a request's first line; the answer is 414. Default: `8k`.
    #[garde(custom(a_head))]
    pub max_request_line: Size,
    /// The least that a client has to send of a request's body in a second, counted over each `body_timeout` of
    /// waiting for it; the answer is 408. `0` is any. Default: `256`.
    #[garde(skip)]
    pub min_body_rate: Size,
    /// The least that a client has to take of a response in a second, counted over each `send_timeout` of waiting for
    /// it. `0` is any. Default: `256`.
    #[garde(skip)]
    pub min_send_rate: Size,
    /// The most bytes of a request's body, where no `body_limit` says otherwise; the answer is 413. Default: `10m`.
    #[garde(skip)]
    pub max_body_size: Size,
    /// The most requests on one connection. Over HTTP/1 the last answer says that it is the last; over HTTP/2 the client
    /// is told to open no more, and those that it has opened are answered. Default: `1000`.
    #[garde(range(min = 1))]
    pub max_requests_per_connection: u32,
    /// The most connections at a time of one address, which is an IPv4 address or the /64 of an IPv6 address. No address
    /// gets more than there are places free either, so that a full server has room for the next client. Trusted
    /// proxies are not counted. Default: `1000`.
    #[garde(range(min = 1))]
    pub max_connections_per_address: u32,
    /// What becomes of header fields with an underscore in their name, which some apps take for a hyphen: `drop`, `allow`
    /// or `refuse` (400). Default: `drop`.
    #[garde(skip)]
    pub underscore_headers: UnderscoreHeaders,
}

/// What becomes of header fields with an underscore in their name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnderscoreHeaders {
    /// They are taken out of the request.
    #[default]
    Drop,
    /// They are passed on.
    Allow,
    /// The request is answered with 400.
    Refuse,
}

/// The log of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// How a request is written: `json`, `combined` or `off`. Default: `json`.
    pub format: AccessLogFormat,
    /// Where to: `stdout`, `stderr` or the path of a file. Default: `stdout`.
    pub output: LogOutput,
}

/// How a request is written to the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// The combined log format of Apache httpd and nginx.
    Combined,
    /// Not at all.
    Off,
}

/// Where the access log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LogOutput {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, which is appended to. A relative path counts from the working directory.
    File(PathBuf),
}

/// The page for operators and monitoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Whether it is there. Default: true.
    pub enabled: bool,
    /// Where it listens. It has no password: keep it where only operators can reach it. Default: `127.0.0.1:9180`.
    pub address: ListenAddress,
    /// Names that `/upstreams` may be asked by, without a port. Addresses and `localhost` always will do; another name could be
    /// a page's in an operator's browser. Default: none.
    pub hosts: Vec<String>,
    /// Whether `/readyz` waits until every site with TLS has a certificate. Default: false.
    pub wait_for_certificates: bool,
}

/// How the server stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// How long requests that are under way may take to end; after that they are cut. `0s` cuts them at once.
    /// Default: `30s`.
    #[garde(skip)]
    pub timeout: Duration,
}

fn more_than_nothing(duration: &Duration, (): &()) -> garde::Result {
    if duration.is_zero() {
        return Err(garde::Error::new("expected more than 0s, because no client is that fast"));
    }
    Ok(())
}

/// Less than 1 KiB refuses browsers; more than 1 MiB invites attackers.
fn a_head(size: &Size, (): &()) -> garde::Result {
    if !(1 << 10..=1 << 20).contains(&size.bytes()) {
        return Err(garde::Error::new("expected a size from 1k to 1m"));
    }
    Ok(())
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(75),
            handshake_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(60),
            max_connections: 10_000,
            max_concurrent_streams: 100,
            max_header_size: Size::from_kib(32),
            max_header_count: 100,
            max_request_line: Size::from_kib(8),
            min_body_rate: Size::from_bytes(256),
            min_send_rate: Size::from_bytes(256),
            max_body_size: Size::from_kib(10 * 1024),
            max_requests_per_connection: 1_000,
            max_connections_per_address: 1_000,
            underscore_headers: UnderscoreHeaders::default(),
        }
    }
}

// === impl LogOutput ===

impl From<String> for LogOutput {
    fn from(text: String) -> Self {
        match text.as_str() {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            _ => Self::File(PathBuf::from(text)),
        }
    }
}

impl From<LogOutput> for String {
    fn from(output: LogOutput) -> Self {
        match output {
            LogOutput::Stdout => "stdout".to_owned(),
            LogOutput::Stderr => "stderr".to_owned(),
            LogOutput::File(path) => path.display().to_string(),
        }
    }
}

impl JsonSchema for LogOutput {
    fn schema_name() -> Cow<'static, str> {
        "LogOutput".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`stdout`, `stderr` or the path of a file.",
            "type": "string",
            "examples": ["stdout", "stderr", "/var/log/headwall/access.log"],
        })
    }
}

// === impl Admin ===

impl Admin {
    /// Where the page listens, if it is there.
    pub fn listen_address(&self) -> Option<&ListenAddress> {
        self.enabled.then_some(&self.address)
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            enabled: true,
            address: ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 9180))),
            hosts: Vec::new(),
            wait_for_certificates: false,
        }
    }
}

// === impl Shutdown ===

impl Default for Shutdown {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30) }
    }
}
