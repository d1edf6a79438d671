//! How connections to servers are opened.
//!
//! Pingora could open them by itself. It asks a connector of ours instead, because each connection has a [`Wire`] beside it,
//! and some begin with a header of the PROXY protocol.

use std::future::Future;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::ext::{connect, connect_uds};
use pingora_core::protocols::l4::socket::SocketAddr as Address;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};

use super::wire::Wire;

/// Opens connections within a time.
#[derive(Debug)]
pub(super) struct Dial {
    limit: Duration,
}

// === impl Dial ===

impl Dial {
    pub(super) fn within(limit: Duration) -> Arc<Self> {
        Arc::new(Self { limit })
    }

    /// Opens this peer's connections; its TLS handshake, if there is one, may take `tls` more.
    pub(super) fn open_for(self: &Arc<Self>, http: &mut HttpPeer, tls: Duration) {
        let is_tls = http.is_tls();
        let options = &mut http.options;
        // Pingora gives this to the handshake alone, as the connection is ours.
        options.connection_timeout = Some(tls);
        options.total_connection_timeout = Some(if is_tls { self.limit + tls } else { self.limit });
        options.custom_l4 = Some(self.clone());
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }
}

#[async_trait]
impl L4Connect for Dial {
    async fn connect(&self, address: &Address) -> Result<Stream> {
        within(self.limit, open(address)).await
    }
}

/// Opens a connection.
pub(super) async fn open(address: &Address) -> Result<Stream> {
    let (mut stream, socket): (Stream, _) = match address {
        Address::Inet(address) => {
            let tcp = connect(address, None).await?;
            let socket = tcp.as_raw_fd();
            (tcp.into(), socket)
        }
        Address::Unix(address) => {
            let no_path = || Error::explain(ErrorType::ConnectError, "the socket has no path");
            let unix = connect_uds(address.as_pathname().ok_or_else(no_path)?).await?;
            let socket = unix.as_raw_fd();
            (unix.into(), socket)
        }
    };
    Wire::attach(&mut stream, socket);
    Ok(stream)
}

/// What takes longer has not connected.
pub(super) async fn within<T>(limit: Duration, opening: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::e_explain(ErrorType::ConnectTimedout, "the connection was not open in time");
    tokio::time::timeout(limit, opening).await.unwrap_or_else(late)
}
