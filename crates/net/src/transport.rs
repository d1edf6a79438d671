//! What a listener expects before the first request.

use std::net::IpAddr;

use ipnet::IpNet;

/// What comes before HTTP on the connections of a listener. By default nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// TLS is spoken.
    pub tls: bool,
    /// HTTP/2 is spoken with clients that want it: with TLS by ALPN (RFC 7301), without by prior knowledge (RFC 9113,
    /// 3.3).
    pub http2: bool,
    /// Proxies that say in a PROXY header who their client is. They have to; from anybody else none is expected.
    pub proxy_protocol: Vec<IpNet>,
}

impl Transport {
    /// Whether who connects from there says who its client is.
    pub(crate) fn is_announced_by(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.proxy_protocol.iter().any(|network| network.contains(&peer))
    }

    /// Whether a connection can be served as it is.
    pub(crate) fn is_plain(&self) -> bool {
        !self.tls && !self.http2 && self.proxy_protocol.is_empty()
    }
}
