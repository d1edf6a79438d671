//! Addresses that are listened on from now on, and those that are not any more.

use std::net::SocketAddr;

use headwall::Address;
use headwall_testkit::{Client, Gateway, eventually};

/// A config that listens on these addresses.
fn listening_on(addresses: &[&str]) -> String {
    let listeners: Vec<_> = addresses.iter().map(|address| format!("{{ address: \"{address}\" }}")).collect();
    format!(
        "listeners: [{}]\nsites: [{{ routes: [{{ respond: {{ body: hello }} }}] }}]",
        listeners.join(", ")
    )
}

fn tcp(gateway: &Gateway) -> Vec<SocketAddr> {
    let tcp = |address| match address {
        Address::Tcp(address) => address,
        Address::Unix(path) => panic!("{} is not TCP", path.display()),
    };
    gateway.addresses().into_iter().map(tcp).collect()
}

async fn until_closed(address: SocketAddr) {
    eventually(5, async || tokio::net::TcpStream::connect(address).await.err().map(drop)).await;
}

#[tokio::test]
async fn a_listener_is_added_and_removed_while_others_stay() {
    let mut gateway = Gateway::start(&listening_on(&["127.0.0.1:0"])).await;
    let first = gateway.address();

    gateway.reload(&listening_on(&["127.0.0.1:0", "[::1]:0"])).await.unwrap();
    let both = tcp(&gateway);
    assert_eq!(both[0], first, "the first one keeps its port");
    for address in &both {
        Client::to(*address).get("/").send().await.assert_text("hello");
    }

    let kept = Client::connect(first).await;
    kept.get("/").send().await.assert_text("hello");
    gateway.reload(&listening_on(&["[::1]:0"])).await.unwrap();
    assert_eq!(tcp(&gateway), [both[1]]);
    until_closed(first).await;
    kept.get("/").send().await.assert_text("hello");
    Client::to(both[1]).get("/").send().await.assert_text("hello");
}

#[tokio::test]
async fn a_unix_socket_comes_and_goes_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("headwall.sock");
    let unix = format!("unix:{}", path.display());
    let mut gateway = Gateway::start(&listening_on(&["127.0.0.1:0"])).await;
    gateway.reload(&listening_on(&["127.0.0.1:0", &unix])).await.unwrap();
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    Client::over(stream).await.get("/").send().await.assert_text("hello");

    gateway.reload(&listening_on(&["127.0.0.1:0"])).await.unwrap();
    eventually(5, async || (!path.exists()).then_some(())).await;
}

#[tokio::test]
async fn the_admin_listener_can_be_switched_off_and_on() {
    let route = "sites: [{ routes: [{ respond: { body: hello } }] }]";
    let mut gateway = Gateway::start(route).await;
    gateway.admin("/livez").await.assert_status(200);
    gateway.reload(&format!("admin: {{ enabled: false }}\n{route}")).await.unwrap();
    gateway.client().get("/").send().await.assert_text("hello");
    gateway.reload(route).await.unwrap();
    gateway.admin("/livez").await.assert_status(200);
}
