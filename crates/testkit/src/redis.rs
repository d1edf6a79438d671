//! Redis, as a process of the test's: killed, frozen and started again as the test says.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long the program may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a start is tried anew when somebody else took the port first.
const STARTS: usize = 5;

/// A running Redis that keeps nothing on disk. It ends when it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    dir: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
    port: u16,
}

impl RedisServer {
    /// Starts a Redis on a port of its own. `None`, said loudly, where it is not installed.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// The same with more arguments, such as `--requirepass`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_with(arguments: &[&str]) -> Option<Self> {
        for program in ["redis-server", "redis-cli"] {
            let mut asked = Command::new(program);
            asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            if asked.status().await.is_err() {
                skip(program);
                return None;
            }
        }
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("a temporary directory: {error}"));
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { dir, arguments, process: None, port: 0 };
        for _ in 0..STARTS {
            server.port = Self::free_port();
            if server.spawn().await {
                return Some(server);
            }
        }
        panic!("redis-server did not start: {}", server.log());
    }

    /// A port that was free a moment ago, for one more that Redis is to listen on.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        listener.unwrap_or_else(|error| panic!("a free port: {error}")).port()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address as Redis clients write it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("redis.log")).unwrap_or_default()
    }

    /// Kills it. What it kept is lost, and its port is nobody's.
    ///
    /// # Panics
    ///
    /// If it cannot be killed.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap_or_else(|error| panic!("redis-server can be killed: {error}"));
        }
    }

    /// Starts a killed one at the same address.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_again(&mut self) {
        assert!(self.spawn().await, "redis-server did not start again: {}", self.log());
    }

    /// Has it stand still: its connections stay open and nothing is answered.
    pub async fn freeze(&self) {
        self.signal("-STOP").await;
    }

    /// Has a frozen one go on.
    pub async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    /// What `redis-cli` prints.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub async fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(arguments).output().await;
        let output = output.unwrap_or_else(|error| panic!("redis-cli can be started: {error}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "redis-cli {arguments:?}: {text}");
        text
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.as_ref().and_then(Child::id).unwrap_or_else(|| panic!("redis-server runs"));
        let status = Command::new("kill").args([signal, &id.to_string()]).status().await;
        assert!(status.is_ok_and(|status| status.success()), "kill {signal} {id}");
    }

    /// Starts the process and waits for its answer. False when it ended, as it does when its port is taken.
    async fn spawn(&mut self) -> bool {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("redis.log"));
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(self.dir.path())
            .args(&self.arguments)
            .stdout(log.map_or_else(|_| Stdio::null(), Stdio::from))
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut process =
            command.spawn().unwrap_or_else(|error| panic!("redis-server can be started: {error}"));
        let is_up = async {
            while !answers(self.port).await {
                if process.try_wait().is_ok_and(|status| status.is_some()) {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            true
        };
        let is_up = tokio::time::timeout(PATIENCE, is_up).await.unwrap_or(false);
        self.process = is_up.then_some(process);
        is_up
    }
}

/// Whether a Redis says anything at this port, be it that it wants a password.
async fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut first = [0];
    let asked = stream.write_all(b"PING\r\n").await.is_ok() && stream.read_exact(&mut first).await.is_ok();
    asked && matches!(first, [b'+' | b'-'])
}

/// Says loudly that a test was not made, past the test runner's capture.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
fn skip(program: &str) {
    eprintln!("SKIPPED: a test with a real Redis, because `{program}` is not installed");
}
