//! How many connections are open, how many may be, and when the last one has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use headwall_core::metrics::ConnectionMetrics;
use tokio::sync::Notify;

/// The open connections of a server, over all its listeners. Cloning gives the same count.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Count>);

#[derive(Debug)]
struct Count {
    open: AtomicUsize,
    closed: Notify,
    metrics: ConnectionMetrics,
}

/// One connection's place in the count. It moves with the stream, into a tunnel too.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Count>);

impl Connections {
    /// No connection yet.
    pub fn new(metrics: ConnectionMetrics) -> Self {
        Self(Arc::new(Count { open: AtomicUsize::new(0), closed: Notify::new(), metrics }))
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
