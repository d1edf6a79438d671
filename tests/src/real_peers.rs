//! Headwall between programs that were not written for it: curl in front, nginx behind.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use headwall_testkit::{Gateway, eventually};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// nginx with a configuration of the test's, ended when it is dropped.
pub(crate) struct Nginx {
    _process: Child,
    dir: TempDir,
    port: u16,
}

impl Nginx {
    /// Serves the files that `fill` has put into its directory. `None`, said loudly, where there is no nginx.
    async fn serving(fill: impl FnOnce(&Path)) -> Option<Self> {
        Self::start(fill, "", "").await
    }

    /// Forwards to an origin, and keeps its answers.
    pub(crate) async fn caching(origin: SocketAddr) -> Option<Self> {
        let location = format!(
            "location / {{
                 proxy_pass http://{origin}; proxy_http_version 1.1; proxy_set_header Host $host;
                 proxy_cache answers; proxy_cache_revalidate on; proxy_cache_methods GET HEAD;
             }}"
        );
        Self::start(|_| {}, "proxy_cache_path cache keys_zone=answers:1m;", &location).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    async fn start(fill: impl FnOnce(&Path), http: &str, server: &str) -> Option<Self> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().await.is_err() {
            skip("nginx is not installed");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("files")).unwrap();
        fill(&dir.path().join("files"));
        // nginx cannot tell a port that it was given by the system, so a free one is looked for.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let root = dir.path().display();
        let conf = format!(
            "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;
             events {{ }}
             http {{
                 access_log {root}/access.log combined;
                 client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
                 uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
                 {http}
                 server {{ listen 127.0.0.1:{port}; root {root}/files; {server} }}
             }}",
            http = http.replace("_path ", &format!("_path {root}/")),
        );
        let conf_path = dir.path().join("nginx.conf");
        std::fs::write(&conf_path, conf).unwrap();
        let process = Command::new("nginx").arg("-c").arg(&conf_path).kill_on_drop(true).spawn().unwrap();
        eventually(10, async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        Some(Self { _process: process, dir, port })
    }

    fn log(&self) -> Vec<String> {
        lines(&self.dir.path().join("access.log"))
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Says loudly that a test was not made, past the test runner's capture.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
fn skip(why: &str) {
    eprintln!("SKIPPED real_peers: {why}");
}

/// What curl prints.
async fn curl(args: &[&str]) -> String {
    let output =
        Command::new("curl").args(["--silent", "--show-error", "--max-time", "10"]).args(args).output().await;
    let output = output.expect("curl is installed");
    assert!(output.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn curl_gets_nginxs_files_as_they_are() {
    let content: String = (0..200_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let file = content.clone();
    let Some(nginx) = Nginx::serving(|dir| std::fs::write(dir.join("file.txt"), file).unwrap()).await else {
        return;
    };
    let gateway = Gateway::config(
        "
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", format!("127.0.0.1:{}", nginx.port))
    .start()
    .await;
    let url = format!("http://{}/file.txt", gateway.address());

    assert!(curl(&[&url]).await == content, "whole");
    assert_eq!(curl(&["--range", "26-28", &url]).await, "abc", "a range");
    let head = curl(&["--head", &url]).await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("200000"), "{head}");
    let tag =
        head.lines().find_map(|line| line.strip_prefix("etag: ").or(line.strip_prefix("ETag: "))).unwrap();
    let if_none_match = format!("If-None-Match: {}", tag.trim());
    let status = curl(&["--header", &if_none_match, "--write-out", "%{http_code}", &url]).await;
    assert_eq!(status, "304", "a conditional request");
    let both = curl(&["--http1.0", "--write-out", " %{http_version}", &url]).await;
    assert!(both.starts_with(&content), "HTTP/1.0");
    let missing = curl(&["--write-out", "%{http_code}", "--output", "/dev/null", &format!("{url}x")]).await;
    assert_eq!(missing, "404");
}

#[tokio::test]
async fn the_combined_log_is_nginxs_to_the_byte() {
    let Some(nginx) = Nginx::serving(|dir| std::fs::write(dir.join("a.txt"), "hello").unwrap()).await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let gateway = Gateway::config(
        "
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${APP}\"] } }
        access_log: { format: combined, output: \"${LOG}\" }
        ",
    )
    .variable("APP", format!("127.0.0.1:{}", nginx.port))
    .variable("LOG", log.display())
    .start()
    .await;
    let base = format!("http://{}", gateway.address());
    curl(&[&format!("{base}/a.txt?x=1")]).await;
    curl(&[
        "--user-agent",
        "odd \"agent\" \\ \u{e9}",
        "--referer",
        "http://from.example/",
        &format!("{base}/missing"),
    ])
    .await;
    curl(&["--head", &format!("{base}/a.txt")]).await;
    gateway.stop().await;

    // Both were asked the same, in the same second or the next: all but the time is compared.
    let without_time = |line: &String| {
        let (before, rest) = line.split_once('[').unwrap();
        let (time, after) = rest.split_once(']').unwrap();
        assert_eq!(time.len(), "20/Nov/2026:05:00:01 +0000".len(), "{line}");
        format!("{before}[]{after}")
    };
    let ours: Vec<_> = lines(&log).iter().map(without_time).collect();
    let theirs = eventually(10, async || Some(nginx.log()).filter(|lines| lines.len() == 3)).await;
    let theirs: Vec<_> = theirs.iter().map(without_time).collect();
    assert_eq!(ours, theirs);
}
