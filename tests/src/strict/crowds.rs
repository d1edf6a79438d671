//! Many connections of one address, and of many.

use std::time::{Duration, Instant};

use headwall_testkit::{Client, Gateway, Wire, eventually};
use tokio::net::{TcpSocket, TcpStream};

use crate::metrics::metric_is;

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

/// Thousands of connections from many addresses, each with half a head, and one client that only wants its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_slow_connections_do_not_stop_a_normal_client() {
    const PLACES: usize = 2000;
    let gateway = with_limits(&format!("{{ max_connections: {PLACES}, header_timeout: 1m }}")).await;
    let mut slow = Vec::new();
    for number in 0..PLACES + 500 {
        let from = [127, 1, (number % 40) as u8, 1];
        match half_a_head(gateway.address(), from).await {
            Ok(stream) => slow.push(stream),
            Err(error) => {
                eprintln!("skipped with {} connections, which is all this system gives: {error}", slow.len());
                return;
            }
        }
    }
    eventually(10, async || gateway.metric(BY_ADDRESS).filter(|refused| *refused > 0.0)).await;
    let mut slowest = Duration::ZERO;
    for guest in 0..50 {
        let began = Instant::now();
        let client = Client::to(gateway.address()).from_ip([127, 2, 0, guest].into());
        client.get("/").send().await.assert_status(200);
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "a normal client waited {slowest:?}");
}

async fn half_a_head(address: std::net::SocketAddr, from: [u8; 4]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(address).await?;
    // A connection that was refused may be reset by now, which is as good.
    drop(stream.try_write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "));
    Ok(stream)
}
