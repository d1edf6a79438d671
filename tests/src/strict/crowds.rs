//! Many connections of one address, and of many.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwall_testkit::{Client, Gateway, Wire, eventually};
use tokio::net::{TcpSocket, TcpStream};

use crate::command_line::process::Process;
use crate::metrics::metric_is;
use crate::real_peers::skip;

const BY_ADDRESS: &str = "headwall_connections_refused_by_address_total";

async fn with_limits(limits: &str) -> Gateway {
    Gateway::start(&format!("limits: {limits}\nsites: [{{ routes: [{{ respond: {{ body: hello }} }}] }}]\n"))
        .await
}

#[tokio::test]
async fn an_address_gets_so_many_connections_and_others_get_theirs() {
    let gateway = with_limits("{ max_connections_per_address: 2 }").await;
    let (one, two) = (Client::connect(gateway.address()).await, Client::connect(gateway.address()).await);
    one.get("/").send().await.assert_status(200);
    two.get("/").send().await.assert_status(200);
    let mut third = Wire::connect(gateway.address()).await;
    assert_eq!(third.read_to_end().await, "");
    assert_eq!(gateway.metric(BY_ADDRESS), Some(1.0));
    Client::to(gateway.address()).from_ip([127, 0, 0, 2].into()).get("/").send().await.assert_status(200);
    drop(two);
    metric_is(&gateway, "headwall_connections_open", 1.0).await;
    gateway.client().get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn a_trusted_proxy_brings_as_many_as_it_wants() {
    let gateway = Gateway::start(
        "limits: { max_connections_per_address: 1 }\nclient: { trusted_proxies: [127.0.0.1/32] }\n\
         sites: [{ routes: [{ respond: { body: hello } }] }]\n",
    )
    .await;
    let (one, two) = (Client::connect(gateway.address()).await, Client::connect(gateway.address()).await);
    one.get("/").send().await.assert_status(200);
    two.get("/").send().await.assert_status(200);
    assert_eq!(gateway.metric(BY_ADDRESS), Some(0.0));
}

/// The most files that this process may have open, as the system says it.
fn files_allowed() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or_default()
}

/// Ten thousand connections from many addresses, each with half a head, and one client that only wants its answer. The
/// server is a process of its own: both ends of so many connections are more files than most processes may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_slow_connections_do_not_stop_a_normal_client() {
    const SLOW: usize = 10_000;
    const ADDRESSES: u8 = 40;
    if files_allowed() < SLOW + 2_000 {
        skip(&format!("{SLOW} connections need `ulimit -n {}`", SLOW + 2_000));
        return;
    }
    let server = Process::serving(
        "limits: { header_timeout: 1m }\nsites: [{ routes: [{ respond: { body: hello } }] }]\n",
    )
    .await;
    let before = server.metric("process_resident_memory_bytes").await;
    let address = server.address();
    // All addresses at once: a connection that finds the queue full is tried again by the system a second later.
    let crowds: Vec<_> = (0..ADDRESSES)
        .map(|number| tokio::spawn(crowd(address, [127, 1, number, 1], SLOW / usize::from(ADDRESSES))))
        .collect();
    let mut slow = Vec::new();
    for crowd in crowds {
        slow.push(crowd.await.unwrap());
    }
    // The last tenth of the places is not for those who have so many.
    eventually(10, async || Some(server.metric(BY_ADDRESS).await).filter(|refused| *refused > 0.0)).await;
    let open = server.metric("headwall_connections_open").await;
    assert!(open > 0.85 * SLOW as f64, "only {open} are open");
    let mut waits = Vec::new();
    for guest in 0..100 {
        let began = Instant::now();
        let client = Client::to(server.address()).from_ip([127, 2, 0, guest].into());
        client.get("/").send().await.assert_status(200);
        waits.push(began.elapsed());
    }
    waits.sort_unstable();
    assert!(waits[95] < Duration::from_secs(1), "normal clients waited: {waits:?}");
    let each = (server.metric("process_resident_memory_bytes").await - before) / open;
    assert!(each < 40e3, "a connection with half a head takes {each} bytes");
}

/// So many connections from one address.
async fn crowd(address: SocketAddr, from: [u8; 4], size: usize) -> Vec<TcpStream> {
    let mut slow = Vec::with_capacity(size);
    for _ in 0..size {
        slow.push(half_a_head(address, from).await.unwrap());
    }
    slow
}

async fn half_a_head(address: SocketAddr, from: [u8; 4]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(address).await?;
    // A connection that was refused may be reset by now, which is as good.
    drop(stream.try_write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "));
    Ok(stream)
}
