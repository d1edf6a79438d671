//! Pebble, Let's Encrypt's small CA, as a process of the test's: a real ACME server with everything it asks for.
//!
//! Two programs of the Debian package `pebble` run on free ports of 127.0.0.1 and end when the value is dropped:
//! `pebble` itself, and `pebble-challtestsrv` as the DNS server that it asks, where every name is 127.0.0.1.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a program may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a start is tried anew when somebody else took the port first.
const STARTS: usize = 5;

/// A running CA.
#[derive(Debug)]
pub struct Pebble {
    settings: Builder,
    dir: TempDir,
    process: Option<Process>,
    port: u16,
    management: u16,
    dns: Dns,
}

/// What a CA is to be like. `Default` is one that takes every nonce, verifies at once and knows no challenge ports.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    http_port: Option<u16>,
    tls_port: Option<u16>,
    nonce_reject: u8,
    authorization_reuse: u8,
    verification_delay: Option<u8>,
    validity: Option<u32>,
    account_keys: Vec<(String, String)>,
}

/// A program that ends, and is gone from the table of processes, when it is dropped.
#[derive(Debug)]
struct Process(Child);

/// The DNS server that the CA asks.
#[derive(Debug)]
pub struct Dns {
    process: Process,
    port: u16,
    management: u16,
}

// === impl Builder ===

impl Builder {
    /// Where HTTP-01 is verified. Without it nobody is there.
    pub fn http_port(mut self, port: u16) -> Self {
        self.http_port = Some(port);
        self
    }

    /// Where TLS-ALPN-01 is verified. Without it nobody is there.
    pub fn tls_port(mut self, port: u16) -> Self {
        self.tls_port = Some(port);
        self
    }

    /// How many of a hundred good nonces are rejected. 0 by default.
    pub fn nonce_reject(mut self, percent: u8) -> Self {
        self.nonce_reject = percent;
        self
    }

    /// In how many of a hundred orders an authorization that is valid already is used again. 0 by default.
    pub fn authorization_reuse(mut self, percent: u8) -> Self {
        self.authorization_reuse = percent;
        self
    }

    /// Verification takes up to so many seconds, by chance. At once by default.
    pub fn order_delay(mut self, seconds: u8) -> Self {
        self.verification_delay = Some(seconds);
        self
    }

    /// How many seconds its certificates hold. Five years by default.
    pub fn validity(mut self, seconds: u32) -> Self {
        self.validity = Some(seconds);
        self
    }

    /// Accounts need a binding, and this is a key for one: its id, and its HMAC in base64url.
    pub fn eab(mut self, key_id: &str, hmac: &str) -> Self {
        self.account_keys.push((key_id.to_owned(), hmac.to_owned()));
        self
    }

    /// Starts the CA. `None`, said loudly, where it is not installed.
    pub async fn start(self) -> Option<Pebble> {
        for program in ["pebble", "pebble-challtestsrv", "curl"] {
            let mut asked = Command::new(program);
            asked.arg("--help").stdout(Stdio::null()).stderr(Stdio::null());
            if asked.status().await.is_err() {
                skip(program);
                return None;
            }
        }
        let dir = tempfile::tempdir().or_fail("a temporary directory");
        server_certificate(dir.path());
        let dns = Dns::start(dir.path()).await;
        let mut pebble = Pebble { settings: self, dir, process: None, port: 0, management: 0, dns };
        for _ in 0..STARTS {
            (pebble.port, pebble.management) = (free_port(), free_port());
            pebble.configure();
            if pebble.spawn().await {
                return Some(pebble);
            }
        }
        panic!("pebble did not start: {}", pebble.log());
    }
}

// === impl Pebble ===

impl Pebble {
    /// A CA to be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The URL of its ACME directory.
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The file with the root of its own HTTPS certificate.
    pub fn root_pem_path(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// The root of the certificates that it issues, as PEM. Another one after each start.
    pub async fn issuer_root(&self) -> String {
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        self.fetch(&url).await.unwrap_or_else(|| panic!("{url}: no root certificate"))
    }

    /// The DNS server that it asks.
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("pebble.log")).unwrap_or_default()
    }

    /// Stops the CA. Its port is nobody's then.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.0.kill().await.or_fail("pebble can be ended");
        }
    }

    /// Starts a stopped CA at the same address. It has forgotten everything, accounts and roots included.
    pub async fn start_again(&mut self) {
        assert!(self.spawn().await, "pebble did not start again: {}", self.log());
    }

    fn configure(&self) {
        let path = |name: &str| self.dir.path().join(name);
        let keys: serde_json::Map<String, serde_json::Value> =
            self.settings.account_keys.iter().map(|(id, key)| (id.clone(), json!(key))).collect();
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": path("server.pem"),
            "privateKey": path("server-key.pem"),
            "httpPort": self.settings.http_port.unwrap_or_else(free_port),
            "tlsPort": self.settings.tls_port.unwrap_or_else(free_port),
            "externalAccountBindingRequired": !keys.is_empty(),
            "externalAccountMACKeys": keys,
            "certificateValidityPeriod": self.settings.validity.unwrap_or(5 * 365 * 24 * 3600),
        }});
        std::fs::write(path("pebble.json"), config.to_string()).or_fail("pebble's config");
    }

    /// Starts the process and waits for its directory. False when it ended, as it does when its port is taken.
    async fn spawn(&mut self) -> bool {
        let log = || output(&self.dir.path().join("pebble.log"));
        let mut command = Command::new("pebble");
        command
            .arg("-config")
            .arg(self.dir.path().join("pebble.json"))
            .args(["-dnsserver", &format!("127.0.0.1:{}", self.dns.port)])
            .env("PEBBLE_WFE_NONCEREJECT", self.settings.nonce_reject.to_string())
            .env("PEBBLE_AUTHZREUSE", self.settings.authorization_reuse.to_string())
            .stdout(log())
            .stderr(log())
            .kill_on_drop(true);
        match self.settings.verification_delay {
            Some(seconds) => command.env("PEBBLE_VA_SLEEPTIME", seconds.to_string()),
            None => command.env("PEBBLE_VA_NOSLEEP", "1"),
        };
        let mut process = Process(command.spawn().or_fail("pebble can be started"));
        let is_up = async {
            // A stranger on that port would not have a certificate of ours.
            while self.fetch(&self.directory()).await.is_none() {
                if process.0.try_wait().is_ok_and(|status| status.is_some()) {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            true
        };
        let is_up = tokio::time::timeout(PATIENCE, is_up).await.unwrap_or(false);
        self.process = is_up.then_some(process);
        is_up
    }

    /// What a URL of the CA answers.
    async fn fetch(&self, url: &str) -> Option<String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--max-time", "5", "--cacert"]).arg(self.root_pem_path()).arg(url);
        let output = curl.kill_on_drop(true).output().await.or_fail("curl can be started");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

// === impl Dns ===

impl Dns {
    /// Where records are made: POST `/set-txt` and `/clear-txt` with JSON, `host` (with a dot at its end) and `value`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.management)
    }

    /// Adds a TXT record to a name.
    pub async fn set_txt(&self, name: &str, value: &str) {
        self.post("/set-txt", &json!({ "host": format!("{name}."), "value": value })).await;
    }

    /// Removes all TXT records of a name.
    pub async fn clear_txt(&self, name: &str) {
        self.post("/clear-txt", &json!({ "host": format!("{name}.") })).await;
    }

    async fn start(dir: &Path) -> Self {
        for _ in 0..STARTS {
            let (port, management) = (free_port(), free_port());
            let log = || output(&dir.join("dns.log"));
            let mut command = Command::new("pebble-challtestsrv");
            command
                .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
                .args(["-defaultIPv4", "127.0.0.1"])
                .args(["-dns01", &format!("127.0.0.1:{port}")])
                .args(["-management", &format!("127.0.0.1:{management}")])
                .stdout(log())
                .stderr(log())
                .kill_on_drop(true);
            let process = Process(command.spawn().or_fail("pebble-challtestsrv can be started"));
            let mut dns = Self { process, port, management };
            if dns.is_up().await {
                return dns;
            }
        }
        panic!("pebble-challtestsrv did not start: {:?}", std::fs::read_to_string(dir.join("dns.log")));
    }

    async fn is_up(&mut self) -> bool {
        let answers = async {
            for port in [self.management, self.port] {
                while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    if self.process.0.try_wait().is_ok_and(|status| status.is_some()) {
                        return false;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            true
        };
        tokio::time::timeout(PATIENCE, answers).await.unwrap_or(false)
    }

    async fn post(&self, path: &str, body: &serde_json::Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.management)).await.or_fail("the DNS server");
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: dns\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.or_fail("the DNS server takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.or_fail("the DNS server answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path} {body}: {answer}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.0.start_kill().is_ok() {
            // A killed process is gone within a moment; the runtime may not live long enough to see it.
            let mut waits = 0..200;
            while self.0.try_wait().is_ok_and(|status| status.is_none()) && waits.next().is_some() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// What a test cannot go on without.
trait OrFail<T> {
    fn or_fail(self, what: &str) -> T;
}

impl<T, E: std::fmt::Display> OrFail<T> for Result<T, E> {
    #[track_caller]
    fn or_fail(self, what: &str) -> T {
        self.unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}

/// A root of the test's own, and a certificate by it for the CA's HTTPS.
fn server_certificate(dir: &Path) {
    let root_key = KeyPair::generate().or_fail("a key");
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, "Root of a test");
    let root_certificate = root.self_signed(&root_key).or_fail("a root certificate");
    let issuer = Issuer::new(root, root_key);

    let key = KeyPair::generate().or_fail("a key");
    let mut server =
        CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).or_fail("names");
    server.distinguished_name.push(DnType::CommonName, "A CA's own server");
    let certificate = server.signed_by(&key, &issuer).or_fail("a server certificate");
    let files = [
        ("root.pem", root_certificate.pem()),
        ("server.pem", certificate.pem()),
        ("server-key.pem", key.serialize_pem()),
    ];
    for (name, pem) in files {
        std::fs::write(dir.join(name), pem).or_fail("a file of the test's");
    }
}

/// A port that was free for TCP and UDP a moment ago. Neither program can tell a port that the system has chosen.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").or_fail("a free port");
        let port = tcp.local_addr().or_fail("its number").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn output(path: &Path) -> Stdio {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.map_or_else(|_| Stdio::null(), Stdio::from)
}

/// Says loudly that a test was not made, past the test runner's capture.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
fn skip(program: &str) {
    eprintln!("SKIPPED: a test with a real CA, because `{program}` is not installed");
}
