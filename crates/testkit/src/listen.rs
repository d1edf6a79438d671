//! Listening sockets of fixtures: always on the loopback, always at a port the kernel gives, free to be taken again.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// 127.0.0.1 with a port that the kernel chooses.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A port of a fixture's own. While this lives nobody is given the port by chance: whoever has stopped listening there is
/// gone, and not somebody else.
#[derive(Debug)]
pub(crate) struct Place {
    _bound: TcpSocket,
    address: SocketAddr,
}

// === impl Place ===

impl Place {
    /// Takes the port of this address. `SO_REUSEADDR` lets several have it of which one listens, so a stopped origin can come
    /// back, and while old connections are in `TIME_WAIT` too.
    ///
    /// # Panics
    ///
    /// When the address cannot be had.
    pub(crate) fn take(address: SocketAddr) -> Self {
        let taken = bind(address).and_then(|bound| Ok(Self { address: bound.local_addr()?, _bound: bound }));
        taken.unwrap_or_else(|error| panic!("an origin cannot listen at {address}: {error}"))
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens there.
    ///
    /// # Panics
    ///
    /// When somebody else does.
    pub(crate) fn listen(&self) -> TcpListener {
        let listener = bind(self.address).and_then(|socket| socket.listen(1024));
        listener.unwrap_or_else(|error| panic!("an origin cannot listen at {}: {error}", self.address))
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
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
        let place = Place::take(ANY_PORT);
        let _listener = place.listen();
        Place::take(place.address());
    }

    #[tokio::test]
    async fn a_place_is_kept_for_who_comes_back() {
        let place = Place::take(ANY_PORT);
        drop(place.listen());
        let refused = TcpStream::connect(place.address()).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let _back = Place::take(place.address()).listen();
        TcpStream::connect(place.address()).await.unwrap();
    }
}
