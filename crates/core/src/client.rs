//! Who the client is.
//!
//! Behind another proxy the address of the connection is that proxy's. Its word about the client is taken only when
//! the operator has listed it as trusted, and the list of hops is walked from the right, because everything to the
//! left of the first hop that is not trusted may be the client's own invention. The one address found here is what
//! limits, logs, access rules and forward headers all use.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The proxies whose forward headers are believed. Nobody by default.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts these networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether an address is in one of them. An IPv4 address written as IPv6 counts as IPv4.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the client behind the connection from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if self.0.is_empty() || !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        for value in headers.get_all("x-forwarded-for").iter().rev() {
            for hop in value.to_str().unwrap_or_default().rsplit(',') {
                // A hop that is no address was put there by somebody to its left: stop at what is known.
                let Some(address) = hop_address(hop.trim()) else {
                    return client;
                };
                client = address;
                if !self.trusts(address) {
                    return client;
                }
            }
        }
        client
    }
}

/// Reads one hop: an address, an address in brackets, or either with a port. Whatever else there is makes it none.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let (bare, rest) = if let Some(rest) = hop.strip_prefix('[') {
        rest.split_once(']')?
    } else if hop.matches(':').count() == 1 {
        hop.split_at(hop.find(':')?)
    } else {
        (hop, "")
    };
    if let Some(port) = rest.strip_prefix(':') {
        port.parse::<u16>().ok()?;
    } else if !rest.is_empty() {
        return None;
    }
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_stops_at_the_first_hop_that_is_not_trusted() {
        let trusted = TrustedProxies::new(["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let rows = [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9", "an untrusted peer is the client"),
            ("10.0.0.1", &[], "10.0.0.1", "no header, no better knowledge"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1", "one hop"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1", "the left one is an invention"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.7"], "198.51.100.1", "a trusted hop is passed over"),
            (
                "10.0.0.1",
                &["1.2.3.4", "198.51.100.1, 10.0.0.7"],
                "198.51.100.1",
                "several lines are one list",
            ),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.7"], "10.0.0.9", "all trusted: the leftmost"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1", "rubbish ends the walk"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1", "with a port"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1", "in brackets"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1", "in brackets, without a port"),
            ("10.0.0.1", &["[2001:db8::1]x, 10.0.0.7"], "10.0.0.7", "something behind the brackets"),
            ("10.0.0.1", &["198.51.100.1:port"], "10.0.0.1", "a port that is none"),
            ("10.0.0.1", &["198.51.100.1:"], "10.0.0.1", "a port that is missing"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1", "IPv6 peer"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1", "IPv4 in IPv6 clothes"),
            ("10.0.0.1", &[""], "10.0.0.1", "an empty header"),
        ];
        for (peer, lines, expected, row) in rows {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let client = trusted.client(peer.parse().unwrap(), &headers);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{row}");
        }
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "198.51.100.1".parse().unwrap());
        let peer = "127.0.0.1".parse().unwrap();
        assert_eq!(TrustedProxies::default().client(peer, &headers), peer);
    }
}
