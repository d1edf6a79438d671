//! Whether servers work.
//!
//! A [`Watch`] keeps an eye on one server for as long as some cluster wants it to. It is found again over a reload by the
//! server and the check, so a reload asks nobody anew unless the check itself has changed.

mod complaint;
mod over_grpc;
mod over_http;
mod prober;
mod record;
mod settings;
mod status_range;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwall_core::{BoxError, Metrics};
use parking_lot::Mutex;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_load_balancing::Backend;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::ServerAddress;
use crate::board::Board;
use crate::passive::Referee;
use crate::roster::Roster;
use crate::server::Server;
use prober::Prober;
use record::{Change, Record};

pub(crate) use record::LastFailure;
pub use settings::{CheckMethod, GrpcCheck, HealthCheck};
pub use status_range::{InvalidStatusRange, StatusRange};

/// Who asks.
const AGENT: &str = concat!("headwall/", env!("CARGO_PKG_VERSION"), " (health check)");

/// A server that is watched, for as long as somebody holds this.
pub(crate) struct Watch {
    watcher: Arc<Watcher>,
    has_begun: AtomicBool,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Somebody who watches a server. Whoever wants no more of it need not wait for a check that is under way.
struct Watcher {
    server: Arc<Server>,
    check: Option<(Prober, Record)>,
    board: Arc<Board>,
    referee: Arc<Referee>,
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(
        server: Arc<Server>,
        written: &ServerAddress,
        check: Option<&HealthCheck>,
        roster: &Roster,
        metrics: &Metrics,
    ) -> Result<Self, BoxError> {
        let (board, referee) = (roster.board().clone(), roster.referee().clone());
        let prepare = |check| {
            let record = Record::new([board.upstream(), server.label()], check, metrics)?;
            Ok::<_, BoxError>((Prober::new(check, written, server.peer())?, record))
        };
        let check = check.map(prepare).transpose()?;
        let watcher = Arc::new(Watcher { server, check, board, referee });
        Ok(Self { watcher, has_begun: AtomicBool::new(false), task: Mutex::default() })
    }

    /// Begins, unless it has begun before. `looking` is held until the server has been looked at once.
    ///
    /// Building a config must not do this: if the config is refused, then the metrics are about another one.
    pub(crate) fn start(&self, looking: &mpsc::Sender<()>) {
        if self.has_begun.swap(true, Ordering::SeqCst) {
            return;
        }
        let Watcher { server, check, board, .. } = &*self.watcher;
        board.enter(server);
        if check.is_some() {
            *self.task.lock() = Some(tokio::spawn(watch(self.watcher.clone(), looking.clone())));
        } else {
            // What an earlier check has said is no longer anybody's word.
            server.set_up(true);
            server.was_looked_at();
        }
    }

    /// The last check that failed.
    pub(crate) fn last_failure(&self) -> Option<LastFailure> {
        self.watcher.check.as_ref().and_then(|(_, record)| record.last_failure())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().take() {
            task.abort();
        }
        if *self.has_begun.get_mut() {
            self.watcher.board.leave(&self.watcher.server);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("server", &self.watcher.server).finish_non_exhaustive()
    }
}

// === impl Watcher ===

impl Watcher {
    /// Checks the server once, and says how long to wait for the next time.
    async fn check(&self, prober: &Prober, record: &Record) -> std::time::Duration {
        // A check that was under way when it was ejected says nothing about it.
        let was_ejected = self.server.is_ejected();
        let result = prober.probe(self.server.address()).await;
        if was_ejected && result.is_ok() {
            self.referee.pardon(&self.server);
        }
        let (upstream, server) = (self.board.upstream(), self.server.full_name());
        let why = result.as_ref().err().map(|complaint| complaint.sentence.clone()).unwrap_or_default();
        match record.judge(self.server.is_up(), result) {
            Change::None => {}
            Change::Up => {
                log::info!("upstream {upstream}: {server} is up");
                self.server.set_up(true);
            }
            Change::Down => {
                log::warn!("upstream {upstream}: {server} is down: {why}");
                self.server.set_up(false);
            }
        }
        self.server.was_looked_at();
        prober.next_wait(self.server.is_up())
    }
}

async fn watch(watcher: Arc<Watcher>, looking: mpsc::Sender<()>) {
    let Some((prober, record)) = &watcher.check else { return };
    let mut looking = Some(looking);
    loop {
        let wait = watcher.check(prober, record).await;
        looking.take();
        tokio::time::sleep(wait).await;
    }
}

/// The server in Pingora's terms, at the port where it is asked for its health.
fn at(template: &HttpPeer, server: &Backend, port: Option<u16>) -> HttpPeer {
    let mut peer = template.clone();
    peer._address = server.addr.clone();
    if let Some(port) = port {
        peer._address.set_port(port);
    }
    peer
}
