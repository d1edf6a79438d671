//! TLS and HTTP/2 as programs speak them that were not written for us: curl, OpenSSL, h2load, testssl.sh, Chromium.

mod browser;
mod openssl;
mod scan;

use std::path::PathBuf;
use std::process::{Output, Stdio};

use headwall_testkit::{Gateway, within};
use tempfile::{TempDir, tempdir};
use tokio::process::Command;

use super::LISTENERS;

/// Runs a program to its end, for so many seconds at most. `None`, said loudly, where it is not installed.
async fn run(program: &str, args: &[&str], seconds: u64) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    match within(seconds, command.output()).await {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip(program);
            None
        }
        Err(error) => panic!("{program} {args:?}: {error}"),
    }
}

/// Says loudly that a test was not made, past the test runner's capture.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
fn skip(program: &str) {
    eprintln!("SKIPPED tls::real_peers: {program} is not installed");
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A server whose certificates are made by its own authority, for one host and everybody else.
struct Local {
    gateway: Gateway,
    dir: TempDir,
}

impl Local {
    async fn start() -> Self {
        let dir = tempdir().unwrap();
        let yaml = format!(
            "{LISTENERS}storage: {}\nsites: [{{ hosts: [app.test, 127.0.0.1], tls: internal, routes: [{{ respond: {{ body: \
             hello }} }}] }}]\n",
            dir.path().join("state").display()
        );
        Self { gateway: Gateway::start(&yaml).await, dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("state/local/root.pem")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_verifies_the_local_authority_and_speaks_both_versions() {
    let local = Local::start().await;
    let port = local.gateway.address().port();
    let root = local.root().display().to_string();
    let here = format!("app.test:{port}:127.0.0.1");
    let by_name = format!("https://app.test:{port}/");
    let by_address = format!("https://127.0.0.1:{port}/");
    let rows = [
        ("--http2", &by_name, "2"),
        ("--http1.1", &by_name, "1.1"),
        ("--http1.0", &by_name, "1.1"),
        ("--http2", &by_address, "2"),
    ];
    for (version, url, expected) in rows {
        let args = ["-sS", "--resolve", &here, "--cacert", &root, version, "-w", " %{http_version}", url];
        let Some(output) = run("curl", &args, 10).await else { return };
        assert_eq!(text(&output), format!("hello {expected}"), "{version} {url}");
    }
    let distrusting = ["-sS", "--resolve", &here, &by_name];
    let refused = run("curl", &distrusting, 10).await.unwrap();
    assert!(!refused.status.success() && text(&refused).contains("certificate"), "{}", text(&refused));
    let plain = format!("http://app.test:{}/a?b=c", local.gateway.address_at(1).port());
    let there = format!("app.test:{}:127.0.0.1", local.gateway.address_at(1).port());
    let args = [
        "-sS",
        "-L",
        "--resolve",
        &there,
        "--resolve",
        &here,
        "--cacert",
        &root,
        "-w",
        " %{url_effective}",
        &plain,
    ];
    let followed = run("curl", &args, 10).await.unwrap();
    assert_eq!(text(&followed), format!("hello https://app.test:{port}/a?b=c"), "the redirect leads to TLS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2load_loses_no_request() {
    let local = Local::start().await;
    let url = format!("https://127.0.0.1:{}/", local.gateway.address().port());
    let Some(output) = run("h2load", &["-n", "1000", "-c", "10", "-m", "20", &url], 60).await else { return };
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Application protocol: h2"), "{said}");
    assert!(said.contains("1000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert!(said.contains("status codes: 1000 2xx"), "{said}");
    let log = local.gateway.stop().await;
    assert_eq!(
        log.iter().filter(|line| line["protocol"] == "HTTP/2.0" && line["status"] == 200).count(),
        1000
    );
}
