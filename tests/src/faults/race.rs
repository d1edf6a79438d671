//! The race between a server that closes an idle connection and a client that sends on it, against Node's own HTTP server
//! as it comes, beside nginx and Caddy.
//!
//! Node closes after 5 seconds, and an app is busy now and then: rendering, parsing. While it is, requests wait in the kernel.
//! When it comes back, its timers run first, so that a connection whose time is over is closed with a request unread.
//! Whoever keeps connections for longer than Node loses it. The apps here are busy most of the time, and each of many
//! clients sends a POST every 5 seconds or so to an app of its own, which is the worst that steady slow traffic can do.

use std::net::SocketAddr;
use std::ops::Range;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use headwall_testkit::{Client, Gateway};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::caddy::Caddy;
use crate::nginx::Nginx;
use crate::real_peers::{say, skip};

/// Apps in one process, which sleeps where a real one works. It prints where they are.
const SCRIPT: &str = "
    const [count, isTelling] = process.argv.slice(1).map(Number);
    let seen = 0;
    const app = (request, response) => {
        if (request.url == '/seen') return response.end(String(seen));
        seen += 1;
        if (!isTelling) response.setHeader('Connection', 'keep-alive');
        request.resume().on('end', () => response.end('hello'));
    };
    const place = new Int32Array(new SharedArrayBuffer(4));
    const work = () => {
        Atomics.wait(place, 0, 0, 30 + 20 * Math.random());
        setTimeout(setImmediate, 10 + 20 * Math.random(), work);
    };
    work();
    const listen = () => new Promise(done => {
        const server = require('http').createServer(app);
        server.listen(0, '127.0.0.1', () => done(server));
    });
    Promise.all(Array.from({ length: count }, listen)).then(servers => {
        console.log(servers.map(server => server.address().port).join(' '));
    });
";

/// When Node closes: some versions after the 5 seconds that they say, others a second later. The waits of clients are around
/// both.
const AROUND: [Range<Duration>; 2] = [
    Duration::from_millis(4_950)..Duration::from_millis(5_060),
    Duration::from_millis(5_950)..Duration::from_millis(6_060),
];
/// Clients begin one after the other, within this time.
const BEGINNING: Duration = Duration::from_secs(2);
/// And where nothing is told, 4 seconds are what there is to go by.
const ANY: [Range<Duration>; 2] = [
    Duration::from_millis(3_500)..Duration::from_millis(4_500),
    Duration::from_millis(4_500)..Duration::from_millis(6_060),
];

/// Node with its apps, ended when it is dropped.
struct Node {
    _process: Child,
    apps: Vec<SocketAddr>,
}

/// What the clients of one proxy do; there is one for each app.
#[derive(Clone)]
struct Traffic {
    /// So many requests each, after a first one that opens a connection to the app.
    rounds: u32,
    /// Each client's requests in turn.
    methods: &'static [&'static str],
    /// The waits between an answer and the next request go over all of these.
    waits: [Range<Duration>; 2],
}

/// What became of it.
struct Tally {
    sent: usize,
    lost: Vec<String>,
    /// How many requests the apps have read.
    seen: usize,
}

// === impl Node ===

impl Node {
    /// `None`, said loudly, where there is no Node. Whether its apps tell how long they keep connections is the app's: one
    /// that sets `Connection` itself has said all there is to say.
    async fn start(apps: u32, is_telling: bool) -> Option<Self> {
        let process = Command::new("node")
            .args(["-e", SCRIPT, "--", &apps.to_string(), &u8::from(is_telling).to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut process) = process else {
            skip("node is not installed");
            return None;
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let port = |port: &str| SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
        Some(Self { _process: process, apps: line.split(' ').map(port).collect() })
    }

    /// Has the clients send what they are to send through the proxy, where the path `/7` leads to the app of that number.
    async fn visit(&self, proxy: SocketAddr, traffic: &Traffic) -> Tally {
        let clients = 0..u32::try_from(self.apps.len()).unwrap();
        let total = clients.end * traffic.rounds;
        let client = |number: u32| async move {
            let mut lost = Vec::new();
            // A crowd would wait for the machine, and waits would not be what they are to be.
            tokio::time::sleep(BEGINNING * number / clients.end).await;
            for nth in 0..=traffic.rounds {
                if nth > 0 {
                    // A step that shares no factor with the range visits all of it, in any order.
                    let place = (number * traffic.rounds + nth - 1).wrapping_mul(7919) % total;
                    let Range { start, end } = traffic.waits[(number + nth) as usize % 2].clone();
                    // What this awaits is the time itself.
                    tokio::time::sleep(start + (end - start) * place / total).await;
                }
                let method = traffic.methods[(number / 2 + nth) as usize % traffic.methods.len()];
                let call = Client::to(proxy).request(method.parse().unwrap(), &format!("/{number}"));
                let call = if method == "POST" { call.body("an order") } else { call };
                match call.try_send().await {
                    Ok(reply) if reply.status == 200 => {}
                    Ok(reply) => lost.push(reply.status.to_string()),
                    Err(failed) => lost.push(failed.to_string()),
                }
            }
            lost
        };
        let lost = join_all(clients.clone().map(client)).await.concat();
        let seen = Client::to(self.apps[0]).get("/seen").send().await.text().parse().unwrap();
        Tally { sent: (total + clients.end) as usize, lost, seen }
    }
}

// === impl Tally ===

impl Tally {
    fn assert_nothing_is_lost(&self, row: &str) {
        let Self { sent, lost, seen } = self;
        assert!(lost.is_empty(), "{row}: {} of {sent} are lost: {lost:?}", lost.len());
        assert_eq!(seen, sent, "{row}: the apps have read each request once");
    }

    fn report(&self, proxy: &str) {
        let (lost, sent) = (self.lost.len(), self.sent);
        say(&format!("{proxy} lost {lost} of {sent} requests in the race with a busy Node"));
    }
}

/// How many clients there are, and how many requests each of them sends in the race. Ten thousand take two minutes.
fn size() -> (u32, u32) {
    let requests = std::env::var("HEADWALL_KEEPALIVE_REQUESTS");
    let requests = requests.ok().and_then(|count| count.parse().ok()).unwrap_or(160_u32);
    let clients = requests.clamp(1, 400);
    (clients, requests.div_ceil(clients))
}

/// Text for each app, by its number and its address.
fn for_each(apps: &[SocketAddr], text: impl Fn(usize, SocketAddr) -> String) -> String {
    apps.iter().enumerate().map(|(number, address)| text(number, *address)).collect()
}

/// Headwall, with more settings of each upstream.
async fn headwall(apps: &[SocketAddr], upstream: &str) -> Gateway {
    let route = |n, _| format!("  - {{ match: {{ path: /{n} }}, api: {{ upstream: u{n} }}, name: r{n} }}\n");
    let upstream = |n, address| format!("  u{n}: {{ servers: [\"{address}\"]{upstream} }}\n");
    let (routes, upstreams) = (for_each(apps, route), for_each(apps, upstream));
    Gateway::start(&format!("sites:\n- routes:\n{routes}upstreams:\n{upstreams}")).await
}

/// nginx, set up as guides have it.
async fn nginx(apps: &[SocketAddr]) -> Option<Nginx> {
    let upstreams =
        for_each(apps, |n, address| format!("upstream u{n} {{ server {address}; keepalive 16; }}"));
    let locations = for_each(apps, |n, _| {
        format!(
            "location = /{n} {{ proxy_pass http://u{n}; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}"
        )
    });
    Nginx::start(&upstreams, &locations, |_| {}).await
}

/// Caddy, with nothing but a line for each app.
async fn caddy(apps: &[SocketAddr]) -> Option<Caddy> {
    Caddy::start(&for_each(apps, |n, address| format!("reverse_proxy /{n} {address}\n"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_between_a_busy_server_that_closes_and_a_client_that_asks() {
    let (clients, rounds) = size();
    let mut nodes = Vec::new();
    for is_telling in [true, true, false, true, true] {
        let Some(node) = Node::start(clients, is_telling).await else { return };
        nodes.push(node);
    }
    let race = Traffic { rounds, methods: &["POST"], waits: AROUND };
    let untold = Traffic { rounds, methods: &["GET", "POST"], waits: ANY };
    let by_default = headwall(&nodes[0].apps, "").await;
    let set_wrongly = headwall(&nodes[1].apps, ", keepalive: { idle_timeout: 60s }").await;
    let told_nothing = headwall(&nodes[2].apps, "").await;
    let (nginx, caddy) = (nginx(&nodes[3].apps).await, caddy(&nodes[4].apps).await);
    let beside = async |node: &Node, proxy: Option<SocketAddr>| Some(node.visit(proxy?, &race).await);
    let (ours, wrongly, nothing, nginxs, caddys) = tokio::join!(
        nodes[0].visit(by_default.address(), &race),
        nodes[1].visit(set_wrongly.address(), &race),
        nodes[2].visit(told_nothing.address(), &untold),
        beside(&nodes[3], nginx.as_ref().map(Nginx::address)),
        beside(&nodes[4], caddy.as_ref().map(Caddy::address)),
    );
    ours.report("Headwall");
    nginxs.iter().for_each(|tally| tally.report("nginx"));
    caddys.iter().for_each(|tally| tally.report("Caddy"));
    ours.assert_nothing_is_lost("with the defaults");
    wrongly.assert_nothing_is_lost("an idle time of 60 seconds, and a server that says it has 5");
    nothing.assert_nothing_is_lost("a server that says nothing");
}
