//! Connections that begin by telling the server who the client is.
//!
//! The PROXY protocol's header comes before everything else, TLS included, so it is written where the connection is
//! opened: Pingora asks a connector of ours instead of its own. Such a connection speaks for one client, and must never be
//! found in the pool by another's request.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr as Address;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{ErrorType, OrErr, Result};
use tokio::io::AsyncWriteExt;

use super::dial;
use crate::proxy_protocol::{Header, Version};

/// Tells one server about its clients.
#[derive(Clone)]
pub(super) struct Announcer {
    version: Version,
    /// Nobody outside knows its keys, so no client can choose an address that is taken for another's.
    clients: Arc<RandomState>,
}

/// Opens a connection and writes a header into it.
#[derive(Debug)]
struct Announced {
    header: Header,
    limit: Duration,
}

// === impl Announcer ===

impl Announcer {
    pub(super) fn new(version: Version) -> Self {
        Self { version, clients: Arc::default() }
    }

    /// The connection is the client's at `source`, which had connected to `destination`; the server's own address stands
    /// in for one that is not known. It has to be open within `limit`.
    pub(super) fn speak_for(
        &self,
        source: SocketAddr,
        destination: Option<SocketAddr>,
        limit: Duration,
        http: &mut HttpPeer,
    ) {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let server = || http._address.as_inet().copied().unwrap_or(nowhere);
        let header = self.version.header(source, destination.unwrap_or_else(server));
        http.group_key = self.clients.hash_one((http.group_key, &header));
        http.options.custom_l4 = Some(Arc::new(Announced { header, limit }));
    }

    /// The connection is nobody's but ours.
    pub(super) fn speak_for_nobody(&self, limit: Duration, http: &mut HttpPeer) {
        http.options.custom_l4 = Some(Arc::new(Announced { header: self.version.local(), limit }));
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Announcer").field(&self.version).finish()
    }
}

// === impl Announced ===

#[async_trait]
impl L4Connect for Announced {
    async fn connect(&self, address: &Address) -> Result<Stream> {
        dial::within(self.limit, async {
            let mut stream = dial::open(address).await?;
            let write = async {
                stream.write_all(self.header.as_bytes()).await?;
                stream.flush().await
            };
            let unwritten = "the PROXY protocol's header could not be written";
            write.await.or_err(ErrorType::ConnectError, unwritten)?;
            Ok(stream)
        })
        .await
    }
}
