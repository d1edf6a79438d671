//! slowhttptest in its four modes at once, and a client that notices nothing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use headwall_testkit::{Client, Filler, Gateway, Origin};
use tokio::process::Command;

use crate::real_peers::skip;

/// The arguments of each mode besides those that all have.
const MODES: [(&str, &[&str]); 4] = [
    ("slow headers", &["-H", "-x", "24"]),
    ("slow bodies", &["-B", "-s", "8192", "-x", "10"]),
    ("ranges", &["-R", "-a", "10", "-b", "3000"]),
    ("slow reads", &["-X", "-w", "512", "-y", "1024", "-n", "2", "-z", "32"]),
];

/// How long the attack lasts.
const SECONDS: &str = "6";

/// The 99th percentile of what a client waits that asks over and over, on connections of its own, until `over`.
async fn p99(client: &Client, over: impl Future<Output = ()>) -> Duration {
    let mut waits = Vec::new();
    tokio::pin!(over);
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        tokio::select! {
            () = &mut over => break,
            _ = ticks.tick() => {
                let began = Instant::now();
                client.get("/small").send().await.assert_status(200).assert_text("hello");
                waits.push(began.elapsed());
            }
        }
    }
    waits.sort_unstable();
    assert!(waits.len() >= 50, "only {} requests in all this time", waits.len());
    waits[waits.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowhttptest_is_not_noticed_by_a_normal_client() {
    if Command::new("slowhttptest").arg("-h").stdout(Stdio::null()).status().await.is_err() {
        skip("slowhttptest is not installed");
        return;
    }
    let origin = Origin::builder().route("/small", "hello").otherwise(Filler(1 << 20)).start().await;
    let gateway = Gateway::config(
        "
        limits: { header_timeout: 3s, body_timeout: 2s, send_timeout: 2s }
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    // From another address, since the attack takes all the places of its own.
    let client = gateway.client().from_ip([127, 0, 0, 2].into());
    let quiet = p99(&client, tokio::time::sleep(Duration::from_secs(1))).await;

    let url = format!("http://{}/large", gateway.address());
    let attacks = MODES.map(|(name, mode)| {
        let mut command = Command::new("slowhttptest");
        command.args(["-c", "400", "-r", "200", "-i", "1", "-p", "2", "-v", "0"]);
        command.args(["-l", SECONDS, "-u", &url]).args(mode);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        (name, command.spawn().unwrap())
    });
    let over = async {
        for (name, mut attack) in attacks {
            let status = attack.wait().await.unwrap();
            assert!(status.success(), "{name}: {status}");
        }
    };
    let busy = p99(&client, over).await;
    let accepted = gateway.metric("headwall_connections_accepted_total").unwrap();
    assert!(accepted > 1000.0, "the attack has come: {accepted} connections");
    let timeouts = gateway.metric("headwall_header_timeouts_total").unwrap();
    assert!(timeouts > 100.0, "slow heads are given up: {timeouts}");
    // On a machine that is busy with something else, a quiet server is slow already.
    let allowed = Duration::from_millis(50).max(10 * quiet);
    assert!(busy < allowed, "the 99th percentile is {busy:?}, without the attack {quiet:?}");
}
