//! Whether handshakes are lost.
//!
//! A proxy that mistakes the end of the bodyless GET for the end of the exchange closes the connection right after the 101
//! (cloudflare/pingora#946). It needs two workers, an early first frame or a filter that awaits to show, and then some
//! thousand tries; so that is what is tried.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::client::{Lost, WebSocket};
use crate::arguments::Arguments;
use crate::binaries::Binaries;
use crate::machine::Machine;
use crate::origin::Origin;
use crate::peer::{Peer, Setup};
use crate::report::{Budget, Table, say};

/// From the connect to the close.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages on each WebSocket before it is closed.
const MESSAGES: usize = 3;

/// What became of the handshakes of one way.
#[derive(Debug, Default)]
struct Fates {
    kept: AtomicUsize,
    dropped: AtomicUsize,
    refused: AtomicUsize,
    late: AtomicUsize,
}

/// Tries every way at light and at heavy load, and prints what was lost.
pub(super) fn run(
    arguments: &Arguments,
    binaries: &Binaries,
    machine: &Machine,
    origin: &Origin,
    runtime: &Runtime,
) -> io::Result<Vec<Budget>> {
    if !binaries.peers().any(|peer| peer == Peer::Headwall) {
        return Ok(Vec::new());
    }
    let running =
        Peer::Headwall.start(Setup::WebSocketTwoWorkers, None, binaries, machine, origin.address())?;
    let mut table = Table::new(&["", "at a time", "kept", "dropped", "refused", "too late", "handshakes/s"]);
    let mut lost = 0;
    let ways = [
        ("plain", "/ws"),
        ("first frame in the 101's segment", "/ws-first"),
        ("behind a filter that awaits", "/ws-wait"),
    ];
    for (title, path) in ways {
        for concurrency in [4, 200] {
            let start = Instant::now();
            let fates = runtime.block_on(shake(running.address, path, concurrency, arguments.handshakes));
            let [kept, dropped, refused, late] = fates.counts();
            lost += dropped + refused + late;
            let rate = (kept + dropped) as f64 / start.elapsed().as_secs_f64();
            let counts = [concurrency, kept, dropped, refused, late].map(|count| count.to_string());
            table.row([title.to_owned()].into_iter().chain(counts).chain([format!("{rate:.0}")]));
        }
    }
    say(&format!(
        "\nWebSocket handshakes, two workers, {MESSAGES} messages each, then closed\n\n{}",
        table.text()
    ))?;
    let name = format!("WebSocket handshakes lost, of {}", arguments.handshakes * ways.len() * 2);
    Ok(vec![Budget { name, limit: 0.0, measured: lost as f64 }])
}

async fn shake(address: SocketAddr, path: &'static str, concurrency: usize, count: usize) -> Arc<Fates> {
    let (fates, left) = (Arc::new(Fates::default()), Arc::new(AtomicUsize::new(count)));
    let mut tasks = JoinSet::new();
    for _ in 0..concurrency {
        let (fates, left) = (fates.clone(), left.clone());
        tasks.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                let fate = match timeout(PATIENCE, one(address, path)).await {
                    Ok(Ok(())) => &fates.kept,
                    Ok(Err(Lost::Dropped)) => &fates.dropped,
                    Ok(Err(Lost::Refused)) => &fates.refused,
                    Err(_) => &fates.late,
                };
                fate.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // A task that panicked has not counted what it took, and the sum shows it.
    while tasks.join_next().await.is_some() {}
    fates
}

async fn one(address: SocketAddr, path: &str) -> Result<(), Lost> {
    let mut socket = WebSocket::open(address, path, path == "/ws-first").await?;
    for _ in 0..MESSAGES {
        socket.echo().await?;
    }
    socket.close().await;
    Ok(())
}

// === impl Fates ===

impl Fates {
    fn counts(&self) -> [usize; 4] {
        [&self.kept, &self.dropped, &self.refused, &self.late].map(|count| count.load(Ordering::Relaxed))
    }
}
