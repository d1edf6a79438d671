//! slowhttptest in its four modes at once, and a client that notices nothing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use headwall_testkit::{Client, Filler, Origin};
use tokio::process::Command;

use crate::command_line::process::Process;
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

/// The 99th percentile of what a client waits that asks over and over, on connections of its own, until it has asked so
/// often and `over` has come.
async fn p99(client: &Client, at_least: usize, over: impl Future<Output = ()>) -> Duration {
    let mut waits = Vec::new();
    tokio::pin!(over);
    let mut is_over = false;
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    while waits.len() < at_least || !is_over {
        tokio::select! {
            () = &mut over, if !is_over => is_over = true,
            _ = ticks.tick() => {
                let began = Instant::now();
                client.get("/small").send().await.assert_status(200).assert_text("hello");
                waits.push(began.elapsed());
            }
        }
    }
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowhttptest_is_not_noticed_by_a_normal_client() {
    if Command::new("slowhttptest").arg("-h").stdout(Stdio::null()).status().await.is_err() {
        skip("slowhttptest is not installed");
        return;
    }
    let origin = Origin::builder().route("/small", "hello").otherwise(Filler(256 << 10)).start().await;
    // A process of its own: what is to be seen is that the server has time, and not that the test has.
    let server = Process::serving(&format!(
        "limits: {{ header_timeout: 3s, body_timeout: 2s, send_timeout: 2s }}\n\
         sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]\nupstreams: {{ app: {{ servers: [\"{}\"] }} }}\n",
        origin.address()
    ))
    .await;
    // From another address, since the attack may take all the places of its own.
    let client = server.client().from_ip([127, 0, 0, 2].into());
    let quiet = p99(&client, 50, async {}).await;

    let url = format!("http://{}/large", server.address());
    let attacks = MODES.map(|(name, mode)| {
        let mut command = Command::new("slowhttptest");
        command.args(["-c", "250", "-r", "100", "-i", "1", "-p", "2", "-v", "0"]);
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
    let busy = p99(&client, 1, over).await;
    let accepted = server.metric("headwall_connections_accepted_total").await;
    assert!(accepted > 500.0, "the attack has come: {accepted} connections");
    let timeouts = server.metric("headwall_header_timeouts_total").await;
    assert!(timeouts > 10.0, "slow heads are given up: {timeouts}");
    // What else the machine does may have begun after the first measurement.
    let quiet = quiet.max(p99(&client, 50, async {}).await);
    eprintln!("the 99th percentile of a normal client: {busy:?}, without the attack {quiet:?}");
    // Everybody is slow on a machine that is busy with something else, and how slow says nothing of the server then.
    if quiet > Duration::from_millis(10) {
        skip(&format!("the machine is busy: without an attack the 99th percentile is {quiet:?}"));
        return;
    }
    assert!(
        busy < Duration::from_millis(50),
        "the 99th percentile is {busy:?}, without the attack {quiet:?}"
    );
}
