//! What a request passes on its way, set up for both kinds of benchmark.
//!
//! The parts are called as the framework calls them. The whole is a server with a config as its users write it, a client
//! and an origin on one thread over loopback; both of these are a few lines of raw bytes, so that what is measured is the
//! server.

// What goes wrong while a benchmark is set up ends it.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;

use headwall::{Address, Running, Server};
use headwall_limit::{Key, Quota, Zone};
use headwall_route::{Matcher, Outcome, PathMatch, Request, RouteTable, Rule, Site, host_of};
use http::{HeaderMap, Method};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What the origin answers: a head and 64 bytes.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n\
      xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// Routes and filters of the comparison's `everything` row, and one route for each way of doing less.
const CONFIG: &str = r#"
workers: 1
listeners: [{ address: "127.0.0.1:0" }]
admin: { enabled: false }
access_log: { format: json, output: "@LOG@" }
sites:
  - name: app
    routes:
      - match: { path_prefix: /everything }
        filters:
          - security_headers: {}
          - rate_limit: { rate: 100000r/s, burst: 1000000 }
        api: { upstream: app }
      - match: { path_prefix: /plain }
        access_log: false
        api: { upstream: app }
      - match: { path_prefix: /reply }
        access_log: false
        respond: { status: 200, body: hello }
upstreams:
  app: { servers: ["@ORIGIN@"] }
"#;

/// A lookup in a route table.
pub(crate) struct Lookup {
    table: RouteTable<usize>,
    host: String,
    path: String,
    headers: HeaderMap,
}

/// A rate limit with one client that it knows.
pub(crate) struct Limit {
    zone: Zone,
    client: IpAddr,
}

/// A server with a client and an origin.
pub(crate) struct Stack {
    runtime: Runtime,
    client: TcpStream,
    request: Vec<u8>,
    /// As long as every answer to this request is.
    answer: Vec<u8>,
    _running: Running,
    _dir: TempDir,
}

// === impl Lookup ===

impl Lookup {
    /// A table with so many routes, looked up for the one that was written last but one.
    pub(crate) fn among(routes: usize) -> Self {
        let rule = |index: usize| {
            let path = PathMatch::prefix(&format!("/api/v1/resource{index}")).unwrap();
            Rule::new([Matcher { path, ..Matcher::default() }], index)
        };
        let mut rules: Vec<_> = (1..routes).map(rule).collect();
        rules.push(Rule::new([], 0));
        let site = Site { hosts: vec!["app.example.com".parse().unwrap()], rules, ..Site::default() };
        Self {
            table: RouteTable::new([site]).unwrap(),
            host: "App.example.com:443".to_owned(),
            path: format!("/api/v1/resource{}/42", routes - 1),
            headers: HeaderMap::new(),
        }
    }

    /// From the `Host` header to the route.
    pub(crate) fn find(&self) -> Option<usize> {
        let host = host_of(&self.host).ok()?;
        let outcome = self.table.find(&Request {
            host: Some(&host),
            method: &Method::GET,
            path: &self.path,
            query: None,
            headers: &self.headers,
        });
        match outcome {
            Outcome::Found(found) => Some(*found.target),
            Outcome::NoSite | Outcome::NoRoute { .. } | Outcome::MethodNotAllowed { .. } => None,
        }
    }
}

// === impl Limit ===

impl Limit {
    /// As `rate_limit: { rate: 100000r/s, burst: 1000000 }`.
    pub(crate) fn new() -> Self {
        let quota = Quota::new("100000r/s".parse().unwrap(), 1_000_000);
        let zone = Zone::new(quota, NonZeroUsize::new(65_536).unwrap());
        Self { zone, client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)) }
    }

    /// What is left to the client.
    pub(crate) fn check(&self) -> headwall_limit::Verdict {
        self.zone.check(Key::address(self.client)).verdict()
    }
}

// === impl Stack ===

impl Stack {
    /// A server whose client asks for `path`. A first few requests have been made, so everything is warm.
    pub(crate) fn asking_for(path: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("access.log").display().to_string();
        let (running, mut client) = runtime.block_on(async {
            let origin = origin().await;
            let server = Server::new();
            let config = CONFIG.replace("@LOG@", &log).replace("@ORIGIN@", &origin);
            let config = server.read("bench.yaml", &config, &|_| None).unwrap();
            let running = server.start(config).await.unwrap();
            let client = match running.addresses().first() {
                Some(Address::Tcp(address)) => TcpStream::connect(address).await.unwrap(),
                other => panic!("the server listens at {other:?}"),
            };
            client.set_nodelay(true).unwrap();
            (running, client)
        });
        let mut request = String::new();
        write!(
            request,
            "GET {path} HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\
             Accept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef\r\n\r\n"
        )
        .unwrap();
        let answer = runtime.block_on(first_answer(&mut client, request.as_bytes()));
        let mut stack =
            Self { runtime, client, request: request.into_bytes(), answer, _running: running, _dir: dir };
        stack.ask(100);
        stack
    }

    /// Makes so many requests, one after the other.
    ///
    /// # Panics
    ///
    /// When an answer is not 200: a benchmark of refusals would look wonderful.
    pub(crate) fn ask(&mut self, times: usize) {
        let Self { runtime, client, request, answer, .. } = self;
        runtime.block_on(async {
            for _ in 0..times {
                client.write_all(request).await.unwrap();
                client.read_exact(answer).await.unwrap();
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(answer));
            }
        });
    }
}

/// Asks once and reads until head and body are there. All answers here have a `Content-Length`.
async fn first_answer(client: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    client.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    loop {
        assert!(client.read_buf(&mut answer).await.unwrap() > 0, "the server closed");
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if length.is_some_and(|length| body.len() >= length) {
            return answer;
        }
    }
}

/// Answers every head on every connection, and tells where it listens.
async fn origin() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                // A request of the benchmark is one segment.
                while let Ok(1..) = stream.read(&mut buffer).await {
                    if stream.write_all(ANSWER).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}
