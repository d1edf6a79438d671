//! CPU time for a handshake: a connection is accepted, shakes hands, and is closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::client::{Offer, Protocol, config, shake_hands};
use super::{Credentials, against_best, peers};
use crate::arguments::Arguments;
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::{Running, Setup};
use crate::report::{Table, say};
use crate::rounds::Figure;

/// How many connections are made at the same time.
const AT_A_TIME: usize = 16;

/// What kind of handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    Full,
    Resumed,
    FullHybrid,
    FullRsa,
}

struct Entry {
    running: Running,
    clients: Vec<Arc<ClientConfig>>,
    turns: Vec<Turn>,
}

struct Turn {
    /// CPU microseconds per handshake, in the proxy's code and in the kernel.
    user: f64,
    system: f64,
    /// Handshakes a second.
    rate: f64,
    /// Those that failed, or began anew instead of going on.
    failed: u64,
}

/// Measures one kind and prints it.
pub(super) fn run(
    handshake: Handshake,
    arguments: &Arguments,
    binaries: &Binaries,
    machine: &Machine,
    origin: &Origin,
    runtime: &Runtime,
) -> io::Result<()> {
    let credentials = handshake.credentials();
    let (mut entries, mut unable) = (Vec::new(), Vec::new());
    for peer in peers(binaries) {
        let running = peer.start(Setup::Tls, Some(&credentials), binaries, machine, origin.address())?;
        let client = |_| config(&credentials, handshake.offer(), Protocol::Http1);
        let clients = (0..AT_A_TIME).map(client).collect::<io::Result<Vec<_>>>()?;
        // The first of each client brings its ticket, and shows whether the peer can do it at all.
        let first = runtime.block_on(async {
            for client in &clients {
                shake_hands(running.address, client).await?;
            }
            Ok::<_, io::Error>(())
        });
        match first {
            Ok(()) => entries.push(Entry { running, clients, turns: Vec::new() }),
            Err(_) if handshake == Handshake::FullHybrid => unable.push(peer.name()),
            Err(error) => return Err(io::Error::other(format!("{}: {error}", peer.name()))),
        }
    }
    for _ in 0..arguments.rounds {
        for entry in &mut entries {
            let turn = runtime.block_on(entry.turn(handshake, arguments.round))?;
            entry.turns.push(turn);
        }
    }
    say(&format!("\n{}\n", handshake.title()))?;
    if !entries.is_empty() {
        say(&table(&entries).text())?;
    }
    if unable.is_empty() { Ok(()) } else { say(&format!("not known to {}", unable.join(" and "))) }
}

fn table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&[
        "",
        "CPU µs/handshake",
        "(user+system)",
        "handshakes/CPU-s",
        "× best peer",
        "handshakes/s",
        "failed",
    ]);
    let costs: Vec<_> = entries.iter().map(|entry| (entry.running.peer, entry.cpu().median)).collect();
    for entry in entries {
        let cpu = entry.cpu();
        table.row([
            entry.running.peer.name().to_owned(),
            cpu.to_string(),
            format!(
                "{:.1}+{:.1}",
                entry.figure(|turn| turn.user).median,
                entry.figure(|turn| turn.system).median
            ),
            format!("{:.0}", 1e6 / cpu.median),
            against_best(cpu.median, &costs),
            format!("{:.0}", entry.figure(|turn| turn.rate).median),
            entry.turns.iter().map(|turn| turn.failed).sum::<u64>().to_string(),
        ]);
    }
    table
}

/// Shakes hands again and again; gives how often it went as it should, and how often not.
async fn again_and_again(
    handshake: Handshake,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    until: Instant,
) -> (u64, u64) {
    let (mut done, mut failed) = (0, 0);
    while Instant::now() < until {
        match shake_hands(address, &client).await {
            Ok(resumed) if resumed == (handshake == Handshake::Resumed) => done += 1,
            Ok(_) | Err(_) => failed += 1,
        }
    }
    (done, failed)
}

// === impl Handshake ===

impl Handshake {
    pub(super) const ALL: [Self; 4] = [Self::Full, Self::Resumed, Self::FullHybrid, Self::FullRsa];

    fn title(self) -> &'static str {
        match self {
            Self::Full => "TLS 1.3 handshakes, full: P-256, X25519",
            Self::Resumed => "TLS 1.3 handshakes, resumed by a ticket: X25519",
            Self::FullHybrid => "TLS 1.3 handshakes, full: P-256, X25519MLKEM768",
            Self::FullRsa => "TLS 1.3 handshakes, full: RSA-2048, X25519",
        }
    }

    fn credentials(self) -> Credentials {
        if self == Self::FullRsa { Credentials::rsa() } else { Credentials::p256() }
    }

    fn offer(self) -> Offer {
        match self {
            Self::Full | Self::FullRsa => Offer::Full,
            Self::Resumed => Offer::Resumed,
            Self::FullHybrid => Offer::Hybrid,
        }
    }
}

// === impl Entry ===

impl Entry {
    async fn turn(&self, handshake: Handshake, duration: Duration) -> io::Result<Turn> {
        let before = self.running.process.cpu_time()?;
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for client in self.clients.iter().cloned() {
            tasks.spawn(again_and_again(handshake, self.running.address, client, start + duration));
        }
        let (mut done, mut failed) = (0, 0);
        for (well, badly) in tasks.join_all().await {
            done += well;
            failed += badly;
        }
        let (took, cpu) = (start.elapsed(), self.running.process.cpu_time()? - before);
        let each = |time: u64| time as f64 / (done + failed).max(1) as f64;
        let rate = done as f64 / took.as_secs_f64();
        Ok(Turn { user: each(cpu.user), system: each(cpu.system), rate, failed })
    }

    fn figure(&self, of: impl Fn(&Turn) -> f64) -> Figure {
        Figure::of(self.turns.iter().map(of))
    }

    fn cpu(&self) -> Figure {
        self.figure(|turn| turn.user + turn.system)
    }
}
