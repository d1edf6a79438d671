//! How many connections are open, how many may be, and when the last one has gone.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use headwall_core::metrics::ConnectionMetrics;
use tokio::sync::{Notify, watch};

/// The open connections of a server, over all its listeners. Cloning gives the same count.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Count>);

#[derive(Debug)]
struct Count {
    open: AtomicUsize,
    closed: Notify,
    metrics: ConnectionMetrics,
    /// Turns true when the time of every connection that speaks HTTP is over. Tunnels have tasks of their own.
    cut: watch::Sender<bool>,
}

/// One connection's place in the count. It moves with the stream, into a tunnel too.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Count>);

impl Connections {
    /// No connection yet.
    pub fn new(metrics: ConnectionMetrics) -> Self {
        Self(Arc::new(Count {
            open: AtomicUsize::new(0),
            closed: Notify::new(),
            metrics,
            cut: watch::Sender::new(false),
        }))
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Waits until none is open.
    pub async fn drained(&self) {
        loop {
            let closed = self.0.closed.notified();
            if self.open() == 0 {
                return;
            }
            closed.await;
        }
    }

    /// The same, but not longer than `limit`. Says whether none is open.
    pub async fn drained_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.drained()).await.is_ok()
    }

    /// Cuts every connection that is still speaking HTTP: their time is over.
    pub fn cut(&self) {
        self.0.cut.send_replace(true);
    }

    /// Serves a connection in a task of its own.
    pub(crate) fn serve(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut cut = self.0.cut.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                _ = cut.wait_for(|cut| *cut) => {}
            }
        });
    }

    /// A place for one more, if there is one.
    pub(crate) fn admit(&self, max: usize) -> Option<Permit> {
        if self.0.open.fetch_add(1, Ordering::SeqCst) >= max {
            self.0.open.fetch_sub(1, Ordering::SeqCst);
            self.0.metrics.refused.inc();
            return None;
        }
        self.0.metrics.open.inc();
        self.0.metrics.accepted.inc();
        Some(Permit(self.0.clone()))
    }
}

impl Permit {
    pub(crate) fn metrics(&self) -> &ConnectionMetrics {
        &self.0.metrics
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.metrics.open.dec();
        if self.0.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.closed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use headwall_core::Metrics;

    use super::*;

    #[tokio::test]
    async fn what_is_served_can_be_cut() {
        let connections = Connections::new(Metrics::new().unwrap().connections());
        for work in [true, false] {
            let permit = connections.admit(2).unwrap();
            connections.serve(async move {
                let _permit = permit;
                if work {
                    std::future::pending::<()>().await;
                }
            });
        }
        while connections.open() == 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(connections.open(), 1, "the other one is done");
        connections.cut();
        connections.drained().await;
    }

    #[tokio::test]
    async fn the_cap_holds_and_the_last_one_ends_the_wait() {
        let connections = Connections::new(Metrics::new().unwrap().connections());
        let (a, b) = (connections.admit(2).unwrap(), connections.admit(2).unwrap());
        assert!(connections.admit(2).is_none(), "full");
        drop(a);
        let a = connections.admit(2).unwrap();
        let waiting = tokio::spawn({
            let connections = connections.clone();
            async move { connections.drained().await }
        });
        drop((a, b));
        waiting.await.unwrap();
        assert_eq!(connections.open(), 0);
    }
}
