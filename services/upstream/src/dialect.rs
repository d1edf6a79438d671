//! How a cluster's servers are spoken to: what is the same for all of them, whatever their addresses.

use std::time::Duration;

use headwall_core::proxy_protocol::Version;
use headwall_core::upstream::{PeerTls, Protocol, ServerName};
use headwall_core::{BoxError, Peer};
use pingora_core::protocols::l4::socket::SocketAddr as Address;

use crate::policy::Policies;
use crate::{ClusterSettings, Scheme, ServerAddress};

/// How a cluster's servers are spoken to.
#[derive(Debug, Clone)]
pub(crate) struct Dialect {
    /// For `https://` servers.
    tls: PeerTls,
    server_name: Option<ServerName>,
    protocol: Protocol,
    proxy_protocol: Option<Version>,
    idle_timeout: Duration,
}

/// What one server has to be called, if it speaks TLS.
pub(crate) type Name = Option<ServerName>;

impl Dialect {
    pub(crate) fn new<P: Policies>(settings: &ClusterSettings<P>, tls: PeerTls) -> Self {
        Self {
            tls,
            server_name: settings.tls.as_ref().and_then(|tls| tls.server_name.clone()),
            protocol: settings.protocol,
            proxy_protocol: settings.proxy_protocol,
            idle_timeout: settings.keepalive.idle_timeout.as_std(),
        }
    }

    /// The name that a server has to prove. A server whose name is looked up keeps it, wherever it turns out to be.
    pub(crate) fn name_of(&self, address: &ServerAddress) -> Result<Name, BoxError> {
        match (address.scheme, &self.server_name) {
            (Scheme::Http, _) => Ok(None),
            (Scheme::Https, Some(name)) => Ok(Some(name.clone())),
            (Scheme::Https, None) => Ok(Some(address.host().unwrap_or_default().parse()?)),
        }
    }

    /// A server at an address.
    pub(crate) fn towards(&self, address: &Address, name: &Name) -> Result<Peer, BoxError> {
        let peer = match (address, name) {
            (Address::Inet(address), Some(name)) => Peer::tls(*address, name, &self.tls),
            (Address::Inet(address), None) => Peer::plain(*address),
            (Address::Unix(address), _) => {
                let path = address.as_pathname().ok_or("the socket has no path")?;
                Peer::unix(&path.to_string_lossy())?
            }
        };
        Ok(self.spoken(peer))
    }

    /// A text that differs where servers are spoken to in another way. It is worth nothing in another process.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{self:?} {:x}", self.tls.fingerprint())
    }

    fn spoken(&self, peer: Peer) -> Peer {
        let peer = peer.with_protocol(self.protocol).with_idle_timeout(self.idle_timeout);
        match self.proxy_protocol {
            Some(version) => peer.with_proxy_protocol(version),
            None => peer,
        }
    }
}
