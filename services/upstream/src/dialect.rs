//! How a cluster's servers are spoken to: what is the same for all of them, whatever their addresses.

use std::net::SocketAddr;
use std::time::Duration;

use headwall_core::proxy_protocol::Version;
use headwall_core::upstream::{PeerTls, Protocol, ServerName};
use headwall_core::{BoxError, Peer};

use crate::address::Place;
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
    pub(crate) fn new(settings: &ClusterSettings, tls: PeerTls) -> Self {
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

    /// A server that listens at an IP address.
    pub(crate) fn at(&self, address: SocketAddr, name: &Name) -> Peer {
        self.spoken(match name {
            Some(name) => Peer::tls(address, name, &self.tls),
            None => Peer::plain(address),
        })
    }

    /// A server behind a unix socket.
    pub(crate) fn behind(&self, path: &str) -> Result<Peer, BoxError> {
        Ok(self.spoken(Peer::unix(path)?))
    }

    /// Any server, to be told later where it is.
    pub(crate) fn anywhere(&self, place: &Place, name: &Name) -> Result<Peer, BoxError> {
        match place {
            Place::Ip(address) => Ok(self.at(*address, name)),
            Place::Name(_, port) => Ok(self.at(SocketAddr::from(([0, 0, 0, 0], *port)), name)),
            Place::Unix(path) => self.behind(&path.to_string_lossy()),
        }
    }

    fn spoken(&self, peer: Peer) -> Peer {
        let peer = peer.with_protocol(self.protocol).with_idle_timeout(self.idle_timeout);
        match self.proxy_protocol {
            Some(version) => peer.with_proxy_protocol(version),
            None => peer,
        }
    }
}
