//! What one connection may do: so many requests, and no slower than this.

use headwall_testkit::{Client, Filler, Gateway, Origin, Wire, eventually};

use super::in_front_of;

#[tokio::test]
async fn a_connection_ends_with_its_last_request() {
    let gateway = Gateway::start(
        "limits: { max_requests_per_connection: 3 }\nsites: [{ routes: [{ respond: { body: hello } }] }]\n",
    )
    .await;
    let client = Client::connect(gateway.address()).await;
    for request in 1..=3 {
        let reply = client.get("/").send().await;
        reply.assert_status(200);
        assert_eq!(reply.headers.get("connection").is_some_and(|value| value == "close"), request == 3);
    }
    client.closed().await;
}

/// A client that asks for much and takes nothing is let go, and its upstream with it.
#[tokio::test]
async fn a_download_that_nobody_takes_is_given_up() {
    let origin = Origin::builder().otherwise(Filler(64 << 20)).start().await;
    let gateway = in_front_of(origin.address(), "{ send_timeout: 400ms }").await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.read_head().await;
    eventually(10, async || gateway.metric("headwall_connections_open").filter(|open| *open == 0.0)).await;
    let log = gateway.stop().await;
    assert_eq!(log[0]["reason"], "client_timeout");
}
