//! Whether servers work.
//!
//! A [`Watch`] keeps an eye on one server for as long as some cluster wants it to. It is found again over a reload by the
//! server and the check, so a reload asks nobody anew unless the check itself has changed.

mod prober;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use headwall_core::{BoxError, Metrics};
use parking_lot::Mutex;
use prometheus::IntGaugeVec;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::server::Server;
use crate::{HealthCheck, ServerAddress};
use prober::{Change, Prober, Record};

/// Somebody who watches a server.
pub(crate) struct Watch {
    server: Arc<Server>,
    /// Upstream and server.
    labels: [String; 2],
    prober: Option<Arc<Prober>>,
    record: Record,
    gauges: IntGaugeVec,
    shown: AtomicBool,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Watch {
    pub(crate) fn new(
        server: Arc<Server>,
        [upstream, label]: [&str; 2],
        written: &ServerAddress,
        check: Option<&HealthCheck>,
        metrics: &Metrics,
    ) -> Result<Self, BoxError> {
        let gauges = metrics.gauges(
            "headwall_upstream_server_up",
            "Whether a server counts as healthy.",
            &["upstream", "server"],
        )?;
        Ok(Self {
            prober: check
                .map(|check| Prober::new(check, written, server.peer()).map(Arc::new))
                .transpose()?,
            record: Record::new([upstream, label], metrics)?,
            labels: [upstream.to_owned(), label.to_owned()],
            server,
            gauges,
            shown: AtomicBool::new(false),
            task: Mutex::default(),
        })
    }

    /// Begins, unless it has begun before. `looking` is held until the server has been looked at once.
    pub(crate) fn start(self: &Arc<Self>, looking: &mpsc::Sender<()>) {
        let mut task = self.task.lock();
        if task.is_some() || self.shown.load(Ordering::Relaxed) {
            return;
        }
        if self.prober.is_some() {
            *task = Some(tokio::spawn(watch(Arc::downgrade(self), looking.clone())));
        } else {
            // What an earlier check has said is no longer anybody's word.
            self.server.set_up(true);
            self.show();
        }
    }

    /// Takes the result of a check in, and says how long to wait for the next one.
    fn take_in(&self, prober: &Prober, result: Result<(), String>) -> std::time::Duration {
        let [upstream, server] = &self.labels;
        match self.record.judge(prober, self.server.is_up(), result.is_ok()) {
            Change::None => {}
            Change::Up => {
                log::info!("upstream {upstream}: {server} is up");
                self.server.set_up(true);
            }
            Change::Down => {
                let why = result.err().unwrap_or_default();
                log::warn!("upstream {upstream}: {server} is down: {why}");
                self.server.set_up(false);
            }
        }
        self.show();
        prober.next_wait()
    }

    /// Puts the state into the metrics. Building a config must not: if the config is refused, then the server that runs
    /// under these labels is another one.
    fn show(&self) {
        self.shown.store(true, Ordering::Relaxed);
        self.gauges.with_label_values(&self.labels).set(self.server.is_up().into());
    }
}

impl Drop for Watch {
    /// Nothing is known of the server any more.
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().take() {
            task.abort();
        }
        if *self.shown.get_mut() {
            self.gauges.remove_label_values(&self.labels).unwrap_or_default();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("server", &self.server).finish_non_exhaustive()
    }
}

async fn watch(watch: Weak<Watch>, looking: mpsc::Sender<()>) {
    let mut looking = Some(looking);
    loop {
        // Not held while the server is asked: who lets go of the watch ends it at once.
        let asked = watch.upgrade().and_then(|watch| Some((watch.server.clone(), watch.prober.clone()?)));
        let Some((server, prober)) = asked else { return };
        let result = prober.probe(server.address()).await;
        let Some(watch) = watch.upgrade() else { return };
        let wait = watch.take_in(&prober, result);
        drop(watch);
        looking.take();
        tokio::time::sleep(wait).await;
    }
}
