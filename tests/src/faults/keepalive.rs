//! Kept connections never cost a request: they are given up before a server closes them, and a request that meets a closing
//! one is sent again where that is safe. Shown against Node's own HTTP server, beside nginx.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use headwall_testkit::{Fixed, Gateway, Origin, Wire};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::gateway;
use crate::nginx::Nginx;
use crate::real_peers::skip;

/// An origin that says of connections how it keeps them.
async fn keeping(says: Option<&str>) -> Origin {
    let answer = Fixed::status(200).body("me");
    let answer = says.into_iter().fold(answer, |answer, says| answer.header("keep-alive", says));
    Origin::builder().otherwise(answer).start().await
}

#[tokio::test]
async fn a_server_that_says_how_long_it_keeps_a_connection_is_believed() {
    let rows = [
        (Some("timeout=1"), 3, "one second, less one for the way"),
        (Some("timeout=30, max=100"), 1, "longer than ours"),
        (None, 1, "nothing"),
    ];
    for (says, connections, row) in rows {
        let origin = keeping(says).await;
        let gateway = gateway(origin.address(), "", "").await;
        for _ in 0..3 {
            gateway.client().get("/").send().await.assert_status(200).assert_no_header("keep-alive");
        }
        assert_eq!(origin.connections(), connections, "{row}");
        let log = gateway.stop().await;
        assert!(log.iter().all(|line| line["attempts"] == 1), "{row}: a connection given up is no attempt");
    }
}

#[tokio::test]
async fn what_cannot_be_repeated_takes_no_connection_that_has_rested_for_long() {
    let origin = keeping(None).await;
    let gateway = gateway(origin.address(), "", ", keepalive: { idle_timeout: 4s }").await;
    gateway.client().get("/").send().await.assert_status(200);
    gateway.client().post("/", "body").send().await.assert_status(200);
    assert_eq!(origin.connections(), 1, "it has rested for a moment only");
    // What this awaits is the time itself.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    gateway.client().post("/", "body").send().await.assert_status(200);
    assert_eq!(origin.connections(), 2, "more than half of its time");
    gateway.client().get("/").send().await.assert_status(200);
    assert_eq!(origin.connections(), 2, "the new one is kept");
}

/// Node's HTTP server, ended when it is dropped.
struct Node {
    _process: Child,
    address: SocketAddr,
}

/// It does not tell how long it keeps connections, as not every server does. And it is busy now and then, as apps are: when
/// it comes back to its connections, it closes those whose time is over before it looks whether a request has come.
const SCRIPT: &str = "
    const server = require('http').createServer((request, response) => {
        request.resume().on('end', () => response.setHeader('Connection', 'keep-alive').end('hello'));
    });
    const kept = Number(process.argv[1]);
    if (kept) server.keepAliveTimeout = kept;
    const busy = () => { const until = Date.now() + 30; while (Date.now() < until); };
    if (kept) setInterval(busy, 100);
    server.listen(0, '127.0.0.1', 4096, () => console.log(server.address().port));
";

impl Node {
    /// `None`, said loudly, where there is no Node. Without a time it keeps connections for its default of 5 seconds.
    async fn keeping(time: Option<Duration>) -> Option<Self> {
        let millis = time.map_or(0, |time| time.as_millis()).to_string();
        let process = Command::new("node")
            .args(["-e", SCRIPT, &millis])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut process) = process else {
            skip("node is not installed");
            return None;
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port: u16 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        Some(Self { _process: process, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }
}

impl Node {
    /// When it really closes a connection: some versions wait for a second longer than they are told.
    async fn closes_after(&self) -> Duration {
        let mut wire = Wire::connect(self.address).await;
        wire.write("GET / HTTP/1.1\r\nhost: node\r\n\r\n").await;
        wire.read_until("hello").await;
        let answered = Instant::now();
        wire.read_to_end().await;
        answered.elapsed()
    }
}

/// So many clients, each of which sends a request, waits, and sends the next; waits go over the whole range. Returns the
/// failures.
async fn traffic(
    proxy: SocketAddr,
    clients: u32,
    requests: u32,
    waits: std::ops::Range<Duration>,
) -> Vec<String> {
    let total = clients * requests;
    let client = |number: u32| {
        let waits = waits.clone();
        async move {
            let client = headwall_testkit::Client::connect(proxy).await;
            let mut failures = Vec::new();
            for nth in 0..requests {
                // A step that shares no factor with the range visits all of it in any order.
                let place = (number * requests + nth).wrapping_mul(7919) % total;
                tokio::time::sleep(waits.start + (waits.end - waits.start) * place / total).await;
                let call =
                    if (number + nth).is_multiple_of(2) { client.get("/") } else { client.post("/", "body") };
                match call.try_send().await {
                    Ok(reply) if reply.status == 200 => {}
                    Ok(reply) => failures.push(reply.status.to_string()),
                    Err(failed) => failures.push(failed.to_string()),
                }
            }
            failures
        }
    };
    join_all((0..clients).map(client)).await.concat()
}

async fn in_front_of(node: &Node, kept: &str) -> Gateway {
    gateway(node.address, "", &format!(", keepalive: {{ idle_timeout: {kept} }}")).await
}

/// How many requests are sent in all. Ten thousand take as long as the machine needs for them.
fn requests() -> u32 {
    std::env::var("HEADWALL_KEEPALIVE_REQUESTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_between_a_server_that_closes_and_a_client_that_asks() {
    let time = Some(Duration::from_millis(500));
    let (Some(fast), Some(usual)) = (Node::keeping(time).await, Node::keeping(None).await) else {
        return;
    };
    let closes_after = fast.closes_after().await;
    let kept = format!("{}ms", closes_after.as_millis() * 2 / 3);
    let (before_fast, before_usual) = (in_front_of(&fast, &kept).await, in_front_of(&usual, "4s").await);
    // Four fifths of the requests go to the one, each client's one after the other.
    let clients = (requests() / 5).clamp(1, 400);
    let (many, few) = ((requests() * 4 / 5 / clients).max(1), (requests() / 5 / clients).max(1));
    let (lost, lost_by_default, lost_by_nginx) = tokio::join!(
        traffic(before_fast.address(), clients, many, closes_after / 4..closes_after),
        traffic(
            before_usual.address(),
            clients,
            few,
            Duration::from_millis(3_500)..Duration::from_millis(5_200)
        ),
        beside_nginx(&fast, closes_after - Duration::from_millis(90)..closes_after),
    );
    if let Some((lost, sent)) = lost_by_nginx {
        report(&format!("nginx with `keepalive 64` lost {lost} of {sent} requests in the same test"));
    }
    assert!(lost.is_empty(), "{} of {}: {lost:?}", lost.len(), clients * many);
    assert!(
        lost_by_default.is_empty(),
        "{} of {}: {lost_by_default:?}",
        lost_by_default.len(),
        clients * few
    );
}

/// The same through nginx, set up as guides have it.
async fn beside_nginx(node: &Node, waits: std::ops::Range<Duration>) -> Option<(usize, u32)> {
    let upstream = format!("upstream app {{ server {}; keepalive 64; }}", node.address);
    let location = "proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\";";
    let nginx = Nginx::proxying(&upstream, location).await?;
    let (clients, requests) = (64, 4);
    let lost = traffic(nginx.address(), clients, requests, waits).await;
    Some((lost.len(), clients * requests))
}

/// Says it past the test runner's capture.
#[expect(clippy::print_stderr, reason = "whoever runs the tests may like to see it")]
fn report(what: &str) {
    eprintln!("{what}");
}
