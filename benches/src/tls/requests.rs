//! CPU time for a request of 64 bytes over a kept connection.

use std::io;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::client::{Connection, Offer, Protocol, config};
use super::{Credentials, against_best, peers};
use crate::arguments::Arguments;
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::{Running, Setup};
use crate::report::{Table, say};
use crate::rounds::Figure;

struct Entry {
    running: Running,
    connections: Vec<Connection>,
    costs: Vec<f64>,
    rates: Vec<f64>,
}

/// Measures one protocol and prints it.
pub(super) fn run(
    protocol: Protocol,
    arguments: &Arguments,
    binaries: &Binaries,
    machine: &Machine,
    origin: &Origin,
    runtime: &Runtime,
) -> io::Result<()> {
    let credentials = Credentials::p256();
    let config = config(&credentials, Offer::Full, protocol)?;
    let (connections, streams) = shape(protocol);
    let mut entries = Vec::new();
    for peer in peers(binaries) {
        let running = peer.start(Setup::Tls, Some(&credentials), binaries, machine, origin.address())?;
        let opened = runtime.block_on(async {
            let mut opened = Vec::new();
            for _ in 0..connections {
                opened.push(Connection::open(running.address, &config, protocol).await?);
            }
            Ok::<_, io::Error>(opened)
        });
        let connections = opened.map_err(|error| io::Error::other(format!("{}: {error}", peer.name())))?;
        let mut entry = Entry { running, connections, costs: Vec::new(), rates: Vec::new() };
        runtime.block_on(entry.turn(streams, Duration::from_millis(500)))?;
        (entry.costs, entry.rates) = (Vec::new(), Vec::new());
        entries.push(entry);
    }
    for _ in 0..arguments.rounds {
        for entry in &mut entries {
            runtime.block_on(entry.turn(streams, arguments.round))?;
        }
    }

    let mut table = Table::new(&["", "CPU µs/request", "× best peer", "requests/s"]);
    let costs: Vec<_> = entries.iter().map(|entry| (entry.running.peer, entry.cost().median)).collect();
    for entry in &entries {
        let (cost, rate) = (entry.cost(), Figure::of(entry.rates.iter().copied()));
        table.row([
            entry.running.peer.name().to_owned(),
            cost.to_string(),
            against_best(cost.median, &costs),
            format!("{:.0}", rate.median),
        ]);
    }
    let of_what = format!("{} at a time on {connections} connections", connections * streams);
    say(&format!("\n64 B answers over TLS 1.3, {}, {of_what}\n\n{}", protocol.name(), table.text()))
}

/// How many connections, and how many requests at a time on each: 64 in all.
fn shape(protocol: Protocol) -> (usize, usize) {
    match protocol {
        Protocol::Http1 => (64, 1),
        Protocol::Http2 => (8, 8),
    }
}

// === impl Entry ===

impl Entry {
    async fn turn(&mut self, streams: usize, duration: Duration) -> io::Result<()> {
        let before = self.running.process.cpu_time()?;
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for connection in &self.connections {
            for _ in 0..streams {
                let mut sender = connection.sender();
                tasks.spawn(async move {
                    let mut count = 0_u64;
                    while start.elapsed() < duration {
                        sender.ask().await?;
                        count += 1;
                    }
                    Ok::<_, io::Error>(count)
                });
            }
        }
        let mut count = 0;
        while let Some(ended) = tasks.join_next().await {
            let asked = ended.map_err(io::Error::other)?;
            count +=
                asked.map_err(|error| io::Error::other(format!("{}: {error}", self.running.peer.name())))?;
        }
        let (took, cpu) = (start.elapsed(), self.running.process.cpu_time()? - before);
        let count = count.max(1) as f64;
        self.costs.push((cpu.user + cpu.system) as f64 / count);
        self.rates.push(count / took.as_secs_f64());
        Ok(())
    }

    fn cost(&self) -> Figure {
        Figure::of(self.costs.iter().copied())
    }
}
