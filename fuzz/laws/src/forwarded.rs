//! Forward headers: who is not trusted cannot choose its address.

use std::net::IpAddr;

use headwall::client::TrustedProxies;
use http::{HeaderMap, HeaderValue};

/// Who is believed here.
const TRUSTED: [&str; 3] = ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"];

/// The client is found from the right, and never beyond the first hop that nobody vouches for.
///
/// Each line of the input is a header.
///
/// # Panics
///
/// When somebody else is found.
pub fn forwarded(bytes: &[u8]) {
    let trusted = TrustedProxies::new(TRUSTED.iter().filter_map(|network| network.parse().ok()));
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    for peer in ["203.0.113.9", "10.0.0.1", "::ffff:10.0.0.1", "fd00::1"] {
        let peer: IpAddr = peer.parse().unwrap_or_else(|error| panic!("{peer}: {error}"));
        let found = trusted.client(peer, &headers);
        assert_eq!(found, walked(peer.to_canonical(), &trusted, &headers), "from {peer}, {headers:?}");
        if !trusted.trusts(peer) {
            assert_eq!(found, peer, "a stranger was believed");
        }
        // Whatever a client writes itself, the proxy that it speaks to appends its address.
        let mut headers = headers.clone();
        headers.append("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
        let vouched = if trusted.trusts(peer) { "198.51.100.1" } else { "203.0.113.9" };
        assert_eq!(trusted.client(peer, &headers).to_string(), vouched, "{headers:?}");
    }
}

/// The same in the slow and simple way: all hops as one list, from left to right.
fn walked(peer: IpAddr, trusted: &TrustedProxies, headers: &HeaderMap) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or_default());
    let hops: Vec<String> = lines.flat_map(|line| line.split(',')).map(|hop| hop.trim().to_owned()).collect();
    let known: Vec<Option<IpAddr>> = hops.iter().map(|hop| address(hop)).chain([Some(peer)]).collect();
    // From behind: a hop counts if it is one, and everybody to its right is trusted.
    let vouched = (0..known.len()).rev().take_while(|at| {
        known[*at].is_some() && known[at + 1..].iter().all(|hop| hop.is_some_and(|hop| trusted.trusts(hop)))
    });
    vouched.last().and_then(|at| known[at]).unwrap_or(peer)
}

/// An address, an address in brackets, or either with a port.
fn address(hop: &str) -> Option<IpAddr> {
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let without_port = match hop.rsplit_once(':') {
        // Without brackets, the last part of an IPv6 address looks like a port.
        Some((before, port)) if is_port(port) && (before.ends_with(']') || !before.contains(':')) => before,
        Some(_) | None => hop,
    };
    let bare = without_port.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(without_port);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
