//! What a client is told when something goes wrong, and what the log and the metrics know that the client is not told.

mod modules;
mod pages;
mod replies;
mod retries;
mod upstreams;

use std::net::SocketAddr;

use headwall_testkit::Reply;
use tokio::net::TcpSocket;

/// A port that refuses connections for as long as this lives: it is bound, so nobody else gets it, and nobody listens.
pub(crate) struct Refusing {
    _socket: TcpSocket,
    pub(crate) address: SocketAddr,
}

impl Refusing {
    pub(crate) fn new() -> Self {
        let bound = || {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            let address = socket.local_addr()?;
            Ok::<_, std::io::Error>(Self { _socket: socket, address })
        };
        bound().unwrap_or_else(|error| panic!("no port could be bound: {error}"))
    }
}

/// Asserts that a reply is an error in Headwall's own words.
#[track_caller]
pub(crate) fn assert_error(reply: &Reply, status: u16, sentence: &str) {
    reply.assert_status(status).assert_header("content-type", "application/json");
    assert_eq!(reply.json(), serde_json::json!({ "error": sentence }));
}
