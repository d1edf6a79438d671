//! A rolling restart of real Node servers under load: drained, stopped, started again and taken back, one after the other.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use headwall_testkit::{Client, Gateway, eventually};
use tokio::process::{Child, Command};

/// Answers after a moment, when the whole request is there.
const APP: &str = "
    const [port, name] = process.argv.slice(1);
    require('http').createServer((req, res) => {
        req.resume();
        req.on('end', () => setTimeout(() => res.end(name), 5));
    }).listen(Number(port), '127.0.0.1');
";

/// A Node server, ended when it is dropped.
struct Node {
    address: SocketAddr,
    process: Child,
}

impl Node {
    /// `None`, said loudly, where there is no Node.
    #[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
    async fn start() -> Option<Self> {
        // Node has to come back to the same port, so a free one is looked for.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        match process(address) {
            Ok(process) => {
                let node = Self { address, process };
                node.listens().await;
                Some(node)
            }
            Err(error) => {
                eprintln!("SKIPPED health: node is not installed: {error}");
                None
            }
        }
    }

    async fn restart(&mut self) {
        self.process.kill().await.unwrap();
        self.process = process(self.address).unwrap();
        self.listens().await;
    }

    async fn listens(&self) {
        eventually(20, async || tokio::net::TcpStream::connect(self.address).await.ok()).await;
    }
}

fn process(address: SocketAddr) -> std::io::Result<Child> {
    let mut node = Command::new("node");
    node.args(["-e", APP, "--", &address.port().to_string(), &address.to_string()]);
    node.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()
}

/// Sends GETs and POSTs until it is told to stop. Everything that is not a 200 counts.
async fn load(client: Client, stop: Arc<AtomicBool>, sent: Arc<AtomicUsize>) -> usize {
    let mut failed = 0;
    while !stop.load(Ordering::SeqCst) {
        for call in [client.get("/"), client.post("/", "an order")] {
            let is_good = call.try_send().await.is_ok_and(|reply| reply.status == 200);
            failed += usize::from(!is_good);
            sent.fetch_add(1, Ordering::SeqCst);
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_costs_no_request() {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let Some(node) = Node::start().await else { return };
        nodes.push(node);
    }
    let servers: Vec<_> = nodes.iter().map(|node| format!("\"{}\"", node.address)).collect();
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [{}], health_check: {{ path: /, interval: 500ms }} }} }}
        ",
        servers.join(", ")
    );
    let gateway = Gateway::start(&yaml).await;
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = |_| tokio::spawn(load(gateway.client(), stop.clone(), sent.clone()));
    let loads: Vec<_> = (0..4).map(load).collect();
    let order = async |node: &Node, what: &str| {
        let path = format!("/upstreams/app/servers/{}/{what}", node.address);
        let admin = gateway.admin_client();
        admin.post(&path, "").header("x-headwall-control", "1").send().await.assert_status(200);
    };
    for (index, node) in nodes.iter_mut().enumerate() {
        let before = sent.load(Ordering::SeqCst);
        order(node, "drain").await;
        eventually(20, async || {
            let upstreams = gateway.admin("/upstreams").await.json();
            (upstreams[0]["servers"][index]["in_flight"] == 0).then_some(())
        })
        .await;
        node.restart().await;
        order(node, "ready").await;
        eventually(20, async || (sent.load(Ordering::SeqCst) > before + 40).then_some(())).await;
    }
    stop.store(true, Ordering::SeqCst);
    for load in loads {
        assert_eq!(load.await.unwrap(), 0, "of {} requests", sent.load(Ordering::SeqCst));
    }
}
