//! TLS: what a handshake costs, what a request costs over a kept connection, and what an idle connection holds.
//!
//! Everybody has the same certificate and is offered the same: TLS 1.3, `TLS_AES_128_GCM_SHA256`, a key exchange on X25519.
//! Versions 1.2 and 1.3, session tickets and ALPN for HTTP/2 and HTTP/1.1 are on. OpenSSL 3.0, with which Debian's nginx and
//! HAProxy are built, knows no X25519MLKEM768; who does has a row of its own for it.

mod client;
mod credentials;
mod handshakes;
mod idle;
mod requests;

use std::io;

pub use self::credentials::Credentials;
use crate::arguments::Arguments;
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::Peer;

/// What the certificate is for, and what is asked for.
const HOST: &str = "bench.test";

/// Measures all three and prints them.
///
/// # Errors
///
/// When a proxy or the origin does not start, or a request fails where none should.
pub fn run(arguments: &Arguments, binaries: &Binaries, machine: &Machine) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let origin = Origin::start(binaries, machine)?;
    for handshake in handshakes::Handshake::ALL {
        handshakes::run(handshake, arguments, binaries, machine, &origin, &runtime)?;
    }
    for protocol in client::Protocol::ALL {
        requests::run(protocol, arguments, binaries, machine, &origin, &runtime)?;
    }
    idle::run(binaries, machine, &origin, &runtime)
}

/// Who takes part.
fn peers(binaries: &Binaries) -> impl Iterator<Item = Peer> {
    binaries.peers().filter(|peer| matches!(peer, Peer::Headwall | Peer::Nginx | Peer::Haproxy))
}

/// How many times the cheapest peer's cost this is.
fn against_best(cost: f64, costs: &[(Peer, f64)]) -> String {
    let peers = costs.iter().filter(|(peer, _)| *peer != Peer::Headwall).map(|(_, cost)| *cost);
    peers.min_by(f64::total_cmp).map_or_else(|| "–".to_owned(), |best| format!("{:.2}", cost / best))
}
