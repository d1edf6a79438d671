//! The binary `headwall` as a process: run to its end, or started, watched and signalled.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use headwall_testkit::{Client, PATIENCE, Reply, eventually, within};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How a process ended that ran to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A server, or the demo app, as a process. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    dir: TempDir,
    lines: mpsc::UnboundedReceiver<String>,
    heard: Vec<String>,
}

/// Runs `headwall` with these arguments, in this directory, to its end.
pub(crate) async fn headwall(dir: &Path, args: &[&str]) -> Finished {
    let output = command(args).current_dir(dir).output();
    finished(args, within(PATIENCE.as_secs(), output).await)
}

/// The same with something on its standard input.
pub(crate) async fn headwall_told(dir: &Path, args: &[&str], input: &str) -> Finished {
    let mut command = command(args);
    command.current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = async {
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that has refused its arguments does not read.
            drop(stdin.write_all(input.as_bytes()).await);
        }
        child.wait_with_output().await
    };
    finished(args, within(PATIENCE.as_secs(), run).await)
}

fn finished(args: &[&str], output: std::io::Result<Output>) -> Finished {
    let output = output.unwrap_or_else(|error| panic!("headwall {args:?} could not be run: {error}"));
    let text =
        |bytes| String::from_utf8(bytes).unwrap_or_else(|_| panic!("headwall {args:?} wrote no UTF-8"));
    Finished { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A directory with this one file in it.
pub(crate) fn dir_with(name: &str, text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
    write(&dir.path().join(name), text);
    dir
}

impl Process {
    /// Starts a server with ports of its own and waits until it serves.
    pub(crate) async fn serving(yaml: &str) -> Self {
        let dir = dir_with("headwall.yaml", &framed(yaml));
        let mut server = Self::start(&["run", "--config", "headwall.yaml"], dir);
        server.hears(" is serving").await;
        server
    }

    pub(crate) fn start(args: &[&str], dir: TempDir) -> Self {
        Self::spawn(command(args), dir)
    }

    /// The same as a user who may do nothing in particular, where this test's own may do everything.
    pub(crate) fn start_as_nobody(args: &[&str], dir: TempDir) -> Self {
        let (binary, program) = (binary(), dir.path().join("headwall"));
        // Where it was built that user may not come.
        let copied =
            std::fs::hard_link(&binary, &program).or_else(|_| std::fs::copy(&binary, &program).map(drop));
        copied.unwrap_or_else(|error| panic!("{} was not copied: {error}", binary.display()));
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(args);
        Self::spawn(command, dir)
    }

    fn spawn(mut command: Command, dir: TempDir) -> Self {
        command.stdin(Stdio::null()).kill_on_drop(true);
        let child = command.current_dir(dir.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let (line, lines) = mpsc::unbounded_channel();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(async move {
                let mut stderr = BufReader::new(stderr).lines();
                while let Ok(Some(text)) = stderr.next_line().await {
                    drop(line.send(text));
                }
            });
        }
        Self { child, dir, lines, heard: Vec::new() }
    }

    /// Waits for a line on standard error that has `text` in it, and returns the line.
    pub(crate) async fn hears(&mut self, text: &str) -> String {
        loop {
            match timeout(PATIENCE, self.lines.recv()).await {
                Ok(Some(line)) => {
                    self.heard.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Ok(None) => panic!("expected {text:?} before the end of:\n{}", self.heard.join("\n")),
                Err(_) => panic!("waited for {text:?} after:\n{}", self.heard.join("\n")),
            }
        }
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Where it said that it listens first.
    pub(crate) fn address(&self) -> SocketAddr {
        self.said("listening on ")
    }

    /// Asks the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Reply {
        Client::to(self.said("metrics and probes at http://")).get(path).send().await
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} is not in:\n{text}"))
    }

    /// A client with a connection for each request.
    pub(crate) fn client(&self) -> Client {
        Client::to(self.address())
    }

    /// The address behind the first of these words that was heard.
    pub(crate) fn said(&self, words: &str) -> SocketAddr {
        let said = self.heard.iter().find_map(|line| line.split_once(words)?.1.parse().ok());
        said.unwrap_or_else(|| panic!("expected {words:?} and an address in:\n{}", self.heard.join("\n")))
    }

    /// Changes the config file.
    pub(crate) fn rewrite(&self, yaml: &str) {
        write(&self.path("headwall.yaml"), &framed(yaml));
    }

    /// A file of the server's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The access log as it is now.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("access.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Sends a signal, by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap_or_else(|| panic!("it has ended already, before {name}"));
        // The shell's own `kill`, which is there where the program is not.
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "{name} could not be sent");
    }

    /// Waits for the end and returns the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status =
            status.unwrap_or_else(|_| panic!("it is still running after:\n{}", self.heard.join("\n")));
        status.unwrap_or_else(|error| panic!("its end is not known: {error}")).code()
    }

    /// Waits until connections to its first listener are refused.
    pub(crate) async fn refuses(&self) {
        let address = self.address();
        eventually(10, async || tokio::net::TcpStream::connect(address).await.err().map(drop)).await;
    }
}

/// What every server of a test has in common, in front of what differs.
fn framed(yaml: &str) -> String {
    let frame = "workers: 2\nlisteners: [{ address: \"127.0.0.1:0\" }]\nadmin: { address: \"127.0.0.1:0\" }\n\
        access_log: { output: access.log }\n";
    frame.to_owned() + yaml
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{} was not written: {error}", path.display()));
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for variable in ["HEADWALL_CONFIG", "HEADWALL_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// The binary of the profile that this test was built with.
///
/// Cargo builds the binaries of a test's own package only, and this is another one's. So where it is missing or older than
/// this test, which is linked with the same libraries, it is built now: a test of last week's binary would tell nothing.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("this test has no path: {error}"));
    let profile =
        test.ancestors().nth(2).unwrap_or_else(|| panic!("{} is in no target directory", test.display()));
    let binary = profile.join("headwall");
    if changed(&binary).is_none_or(|built| changed(&test).is_some_and(|linked| built < linked)) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "--quiet", "--package", "headwall-server"]);
        if profile.file_name() == Some(OsStr::new("release")) {
            build.arg("--release");
        }
        let built = build.status().unwrap_or_else(|error| panic!("cargo could not be run: {error}"));
        assert!(built.success(), "the binary could not be built");
        // Cargo leaves a binary alone that is up to date; its age is to say so too.
        let touched = std::fs::File::open(&binary);
        drop(touched.and_then(|file| file.set_modified(std::time::SystemTime::now())));
    }
    binary
}

fn changed(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}
