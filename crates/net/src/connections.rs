//! How many connections are open, how many may be, and when the last one has gone.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use headwall_core::metrics::ConnectionMetrics;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The open connections of a server, over all its listeners. Cloning gives the same count.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Count>);

#[derive(Debug)]
struct Count {
    open: AtomicUsize,
    closed: Notify,
    metrics: ConnectionMetrics,
    /// The tasks that speak HTTP, by a number of their own. A tunnel has left this and has a task elsewhere.
    serving: Mutex<HashMap<u64, AbortHandle>>,
    next: AtomicU64,
}

/// Takes a task out of the count's list when it ends, well or by a panic.
struct Serving(Arc<Count>, u64);

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
            serving: Mutex::default(),
            next: AtomicU64::new(0),
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
        let serving = std::mem::take(&mut *self.0.serving.lock());
        for task in serving.into_values() {
            task.abort();
        }
    }

    /// Serves a connection in a task of its own.
    pub(crate) fn serve(&self, work: impl Future<Output = ()> + Send + 'static) {
        let entry = Serving(self.0.clone(), self.0.next.fetch_add(1, Ordering::Relaxed));
        let number = entry.1;
        // Held until the task is listed, so that one that ends at once finds its place in the list.
        let mut serving = self.0.serving.lock();
        let task = tokio::spawn(async move {
            let _entry = entry;
            work.await;
        });
        serving.insert(number, task.abort_handle());
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

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.serving.lock().remove(&self.1);
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
    async fn what_is_served_is_listed_while_it_runs_and_can_be_cut() {
        let connections = Connections::new(Metrics::new().unwrap().connections());
        let permit = connections.admit(2).unwrap();
        connections.serve(async move {
            let _permit = permit;
            std::future::pending().await
        });
        connections.serve(async {});
        tokio::task::yield_now().await;
        assert_eq!(connections.0.serving.lock().len(), 1, "the other one is done");
        connections.cut();
        connections.drained().await;
        assert!(connections.0.serving.lock().is_empty());
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
