//! What an idle connection over TLS holds.

use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::sleep;

use super::client::{Connection, Offer, Protocol, config};
use super::{Credentials, peers};
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::{Running, Setup};
use crate::report::{Table, say};

/// How many are open and idle.
const CONNECTIONS: usize = 2_000;

/// How many are open before these, so that what a proxy only needs once is there.
const FIRST: usize = 200;

/// How long a heap is given to hand back what it does not need.
const SETTLE: Duration = Duration::from_secs(2);

/// Measures and prints.
pub(super) fn run(
    binaries: &Binaries,
    machine: &Machine,
    origin: &Origin,
    runtime: &Runtime,
) -> io::Result<()> {
    let credentials = Credentials::p256();
    let mut table = Table::new(&["", "KB per HTTP/1.1 connection", "KB per HTTP/2 connection"]);
    for peer in peers(binaries) {
        let mut cells = vec![peer.name().to_owned()];
        for protocol in Protocol::ALL {
            let running = peer.start(Setup::Tls, Some(&credentials), binaries, machine, origin.address())?;
            let held = runtime.block_on(held(&running, &credentials, protocol))?;
            cells.push(format!("{held:.2}"));
        }
        table.row(cells);
    }
    say(&format!(
        "\nMemory of {CONNECTIONS} idle connections over TLS 1.3, after one request each\n\n{}",
        table.text()
    ))
}

/// Kilobytes per connection that only the proxy has and has written to.
async fn held(running: &Running, credentials: &Credentials, protocol: Protocol) -> io::Result<f64> {
    let first = open(running, credentials, protocol, FIRST).await?;
    sleep(SETTLE).await;
    let before = running.process.private_dirty()?;
    let connections = open(running, credentials, protocol, CONNECTIONS).await?;
    sleep(SETTLE).await;
    let after = running.process.private_dirty()?;
    // One that was closed meanwhile holds nothing, and would make the figure better than it is.
    for connection in first.iter().chain(&connections) {
        asked(running, connection).await?;
    }
    Ok(after.saturating_sub(before) as f64 * 1.024 / CONNECTIONS as f64)
}

async fn open(
    running: &Running,
    credentials: &Credentials,
    protocol: Protocol,
    count: usize,
) -> io::Result<Vec<Connection>> {
    let config = config(credentials, Offer::Full, protocol)?;
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let connection = Connection::open(running.address, &config, protocol).await?;
        asked(running, &connection).await?;
        connections.push(connection);
    }
    Ok(connections)
}

async fn asked(running: &Running, connection: &Connection) -> io::Result<()> {
    let asked = connection.sender().ask().await;
    asked.map_err(|error| io::Error::other(format!("{}: {error}", running.peer.name())))
}
