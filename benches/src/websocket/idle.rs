//! What an idle tunnel holds.

use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use super::client::WebSocket;
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::{Peer, Running, Setup};
use crate::report::{Budget, Table, say};

/// How many are open and idle.
const TUNNELS: usize = 2_000;

/// How many are open before these, so that what a proxy only needs once is there.
const FIRST: usize = 200;

/// Kilobytes that a tunnel may hold.
const BUDGET: f64 = 8.0;

/// How long opening may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a heap is given to hand back what it does not need.
const SETTLE: Duration = Duration::from_secs(2);

/// Measures and prints.
pub(super) fn run(
    binaries: &Binaries,
    machine: &Machine,
    origin: &Origin,
    runtime: &Runtime,
) -> io::Result<Vec<Budget>> {
    let mut table = Table::new(&["", "KB per idle tunnel"]);
    let mut budgets = Vec::new();
    for peer in binaries.peers().filter(|peer| matches!(peer, Peer::Headwall | Peer::Nginx)) {
        let running = peer.start(Setup::WebSocket, None, binaries, machine, origin.address())?;
        let held = runtime.block_on(held(&running))?;
        table.row([peer.name().to_owned(), format!("{held:.2}")]);
        if peer == Peer::Headwall {
            let name = "KB held by an idle WebSocket".to_owned();
            budgets.push(Budget { name, limit: BUDGET, measured: held });
        }
    }
    say(&format!("\nMemory of {TUNNELS} idle tunnels after one message each\n\n{}", table.text()))?;
    Ok(budgets)
}

/// Kilobytes per tunnel that only the proxy has and has written to.
async fn held(running: &Running) -> io::Result<f64> {
    let first = open(running, FIRST).await?;
    sleep(SETTLE).await;
    let before = running.process.private_dirty()?;
    let sockets = open(running, TUNNELS).await?;
    sleep(SETTLE).await;
    let after = running.process.private_dirty()?;
    drop((first, sockets));
    Ok(after.saturating_sub(before) as f64 * 1.024 / TUNNELS as f64)
}

async fn open(running: &Running, count: usize) -> io::Result<Vec<WebSocket>> {
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let opened = timeout(PATIENCE, async {
            let mut socket = WebSocket::open(running.address, "/ws", false).await?;
            socket.echo().await.map(|()| socket)
        });
        match opened.await {
            Ok(Ok(socket)) => sockets.push(socket),
            Ok(Err(_)) | Err(_) => {
                return Err(io::Error::other(format!("tunnel {} did not open", sockets.len() + 1)));
            }
        }
    }
    Ok(sockets)
}
