//! Listening sockets of fixtures: always on the loopback, always at a port the kernel gives, free to be taken again.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// 127.0.0.1 with a port that the kernel chooses.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Listens at `address`, with `SO_REUSEADDR`, so that a stopped origin can come back while old connections are in
/// `TIME_WAIT`. Returns the socket and where it really listens.
///
/// # Panics
///
/// When the address cannot be had.
pub(crate) fn listen(address: SocketAddr) -> (TcpListener, SocketAddr) {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(1024)?;
        let local = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, local))
    };
    bound().unwrap_or_else(|error| panic!("an origin cannot listen at {address}: {error}"))
}

/// An address of the loopback at which nobody listens: connections to it are refused.
///
/// It stays so for as long as the test's process lives: a socket is bound to the port and never listens, so nobody else is
/// given it either.
///
/// # Panics
///
/// When there is no free port.
#[must_use]
pub fn deaf_address() -> SocketAddr {
    let bound = || {
        let socket = TcpSocket::new_v4()?;
        // Without `SO_REUSEADDR`: nobody is to share the port.
        socket.bind(ANY_PORT)?;
        let address = socket.local_addr()?;
        std::mem::forget(socket);
        Ok::<_, std::io::Error>(address)
    };
    bound().unwrap_or_else(|error| panic!("there is no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn nobody_answers_at_a_deaf_address() {
        let address = deaf_address();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let taken = std::net::TcpListener::bind(address).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse, "and nobody else can listen there");
    }

    #[tokio::test]
    #[should_panic(expected = "an origin cannot listen at")]
    async fn a_taken_port_is_told() {
        let (_listener, address) = listen(ANY_PORT);
        listen(address);
    }
}
