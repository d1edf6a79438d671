//! Reloads that nobody notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use headwall_testkit::{Client, Echo, Gateway, Origin, eventually, within};

use super::reloads;

const RELOADS: usize = 50;

/// What the clients of a test have in common.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    requests: AtomicUsize,
}

impl Load {
    /// Asks until it is over. `keep` says whether on one connection or on one for each request.
    async fn ask(self: Arc<Self>, address: SocketAddr, keep: bool) {
        let client = if keep { Client::connect(address).await } else { Client::to(address) };
        while !self.over.load(Ordering::SeqCst) {
            client.get("/").send().await.assert_status(200);
            client.post("/upload", "x".repeat(10_000)).send().await.assert_status(200);
            self.requests.fetch_add(2, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_reloads_under_load_fail_no_request() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let config = |round: usize| {
        format!(
            "
            sites:
              - filters: [{{ security_headers: {{}} }}]
                routes:
                  - match: {{ path: /upload }}
                    filters: [{{ rate_limit: {{ rate: 100000r/s, burst: 100000 }} }}]
                    api: {{ upstream: app }}
                  - {{ name: round-{round}, api: {{ upstream: app }} }}
            upstreams:
              app: {{ servers: [\"${{APP}}\"], health_check: {{ path: /health, timeout: {}s }} }}
            ",
            // Every other reload changes the upstream too.
            5 + round / 2 % 2
        )
    };
    let mut gateway = Gateway::config(&config(0)).variable("APP", origin.address()).start().await;
    let load = Arc::new(Load::default());
    let clients: Vec<_> = [true, true, false, false]
        .into_iter()
        .map(|keep| tokio::spawn(load.clone().ask(gateway.address(), keep)))
        .collect();

    within(60, async {
        for round in 1..=RELOADS {
            // A few requests between two reloads, so that each of them has something to disturb.
            let before = load.requests.load(Ordering::SeqCst);
            let seen = || load.requests.load(Ordering::SeqCst);
            eventually(10, async || (seen() >= before + 4).then_some(())).await;
            gateway.reload(&config(round)).await.unwrap();
        }
        load.over.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.unwrap();
        }
    })
    .await;

    assert_eq!(reloads(&gateway, "succeeded"), Some(RELOADS as f64));
    let requests = load.requests.load(Ordering::SeqCst);
    let log = gateway.stop().await;
    assert_eq!(log.len(), requests, "a line for each request");
    assert!(log.iter().all(|line| line["status"] == 200));
}
