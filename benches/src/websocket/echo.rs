//! CPU time for a message and its echo, beside nginx.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::client::{Lost, WebSocket};
use crate::arguments::Arguments;
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::{Peer, Running, Setup};
use crate::report::{Budget, Table, say};
use crate::rounds::Figure;

const CONNECTIONS: usize = 100;

/// An echo may cost so many times what it costs nginx.
const BUDGET: f64 = 1.10;

/// How long an echo may take; only a lost one takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

struct Entry {
    running: Running,
    costs: Vec<f64>,
    rates: Vec<f64>,
}

/// Measures and prints.
pub(super) fn run(
    arguments: &Arguments,
    binaries: &Binaries,
    machine: &Machine,
    origin: &Origin,
    runtime: &Runtime,
) -> io::Result<Vec<Budget>> {
    let mut entries = Vec::new();
    for peer in binaries.peers().filter(|peer| matches!(peer, Peer::Headwall | Peer::Nginx)) {
        let running = peer.start(Setup::WebSocket, None, binaries, machine, origin.address())?;
        runtime.block_on(echoes(&running, Duration::from_millis(500)))?;
        entries.push(Entry { running, costs: Vec::new(), rates: Vec::new() });
    }
    for _ in 0..arguments.rounds {
        for entry in &mut entries {
            let (cost, rate) = runtime.block_on(echoes(&entry.running, arguments.round))?;
            entry.costs.push(cost);
            entry.rates.push(rate);
        }
    }
    let mut table = Table::new(&["", "CPU µs/echo", "echoes/s"]);
    for entry in &entries {
        let (cost, rate) = (entry.cost(), Figure::of(entry.rates.iter().copied()));
        table.row([entry.running.peer.name().to_owned(), cost.to_string(), format!("{:.0}", rate.median)]);
    }
    say(&format!("\nWebSocket echo of 64 B, {CONNECTIONS} connections\n\n{}", table.text()))?;
    let cost_of =
        |peer| entries.iter().find(|entry| entry.running.peer == peer).map(|entry| entry.cost().median);
    let (Some(ours), Some(nginx)) = (cost_of(Peer::Headwall), cost_of(Peer::Nginx)) else {
        return Ok(Vec::new());
    };
    let name = "CPU of a WebSocket echo, × nginx".to_owned();
    Ok(vec![Budget { name, limit: BUDGET, measured: ours / nginx }])
}

/// CPU microseconds for an echo, and echoes a second.
async fn echoes(running: &Running, duration: Duration) -> io::Result<(f64, f64)> {
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(opened(running.address).await?);
    }
    let before = running.process.cpu_time()?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut socket in open {
        tasks.spawn(async move {
            let mut count = 0_u32;
            while start.elapsed() < duration {
                match timeout(PATIENCE, socket.echo()).await {
                    Ok(Ok(())) => count += 1,
                    Ok(Err(_)) | Err(_) => return Err(io::Error::other("an echo was lost")),
                }
            }
            Ok((count, socket))
        });
    }
    let (mut sum, mut still_open) = (0, Vec::new());
    while let Some(ended) = tasks.join_next().await {
        let (count, socket) = ended.map_err(io::Error::other)??;
        sum += count;
        // Closing is not an echo's cost.
        still_open.push(socket);
    }
    let (took, cpu) = (start.elapsed(), running.process.cpu_time()? - before);
    for socket in still_open {
        socket.close().await;
    }
    let count = f64::from(sum.max(1));
    Ok(((cpu.user + cpu.system) as f64 / count, count / took.as_secs_f64()))
}

async fn opened(address: SocketAddr) -> io::Result<WebSocket> {
    match timeout(PATIENCE, WebSocket::open(address, "/ws", false)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(Lost::Refused | Lost::Dropped)) | Err(_) => Err(io::Error::other("a WebSocket did not open")),
    }
}

// === impl Entry ===

impl Entry {
    fn cost(&self) -> Figure {
        Figure::of(self.costs.iter().copied())
    }
}
