//! Headwall between programs that were not written for it: curl in front, nginx behind.

use std::io::Write as _;

use headwall_testkit::{Gateway, eventually};
use tokio::process::Command;

use crate::nginx::Nginx;

/// Says loudly that a test was not made.
pub(crate) fn skip(why: &str) {
    say(&format!("SKIPPED real_peers: {why}"));
}

/// Says something to whoever runs the tests. The test runner keeps what the macros print, and shows it of tests that fail.
pub(crate) fn say(what: &str) {
    std::io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

/// What curl prints.
pub(crate) async fn curl(args: &[&str]) -> String {
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
    .variable("APP", format!("127.0.0.1:{}", nginx.address().port()))
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
    .variable("APP", format!("127.0.0.1:{}", nginx.address().port()))
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
    let without_time = |line: &str| {
        let (before, rest) = line.split_once('[').unwrap();
        let (time, after) = rest.split_once(']').unwrap();
        assert_eq!(time.len(), "20/Nov/2026:05:00:01 +0000".len(), "{line}");
        format!("{before}[]{after}")
    };
    let ours: Vec<_> = std::fs::read_to_string(&log).unwrap().lines().map(without_time).collect();
    let theirs = eventually(10, async || Some(nginx.log()).filter(|lines| lines.len() == 3)).await;
    let theirs: Vec<_> = theirs.iter().map(|line| without_time(line)).collect();
    assert_eq!(ours, theirs);
}
