//! Many connections of one address, and of many.

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
    if files_allowed() < SLOW + 2_000 {
        skip(&format!("{SLOW} connections need `ulimit -n {}`", SLOW + 2_000));
        return;
    }
    let server = Process::serving(
        "limits: { header_timeout: 1m }\nsites: [{ routes: [{ respond: { body: hello } }] }]\n",
    )
    .await;
    let before = metric(&server, "process_resident_memory_bytes").await;
    let mut slow = Vec::with_capacity(SLOW);
    for number in 0..SLOW {
        let from = [127, 1, (number % 40) as u8, 1];
        slow.push(half_a_head(server.address(), from).await.unwrap());
    }
    // The last tenth of the places is not for those who have so many.
    eventually(10, async || Some(metric(&server, BY_ADDRESS).await).filter(|refused| *refused > 0.0)).await;
    let open = metric(&server, "headwall_connections_open").await;
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
    let each = (metric(&server, "process_resident_memory_bytes").await - before) / open;
    assert!(each < 16e3, "a connection with half a head takes {each} bytes");
}

async fn metric(server: &Process, name: &str) -> f64 {
    let text = server.admin("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} is not in:\n{text}"))
}

async fn half_a_head(address: std::net::SocketAddr, from: [u8; 4]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(address).await?;
    // A connection that was refused may be reset by now, which is as good.
    drop(stream.try_write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "));
    Ok(stream)
}
