//! How many connections are open, how many may be, and when the last one has gone.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use headwall_core::metrics::ConnectionMetrics;
use tokio::sync::{Notify, watch};

use crate::Limits;
use crate::crowd::{Address, Crowd};

/// The open connections of a server, over all its listeners. Cloning gives the same count.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Count>);

#[derive(Debug)]
struct Count {
    open: AtomicUsize,
    closed: Notify,
    crowd: Crowd,
    metrics: ConnectionMetrics,
    /// Turns true when connections without a request have had the time for a last one.
    rested: watch::Sender<bool>,
    /// Turns true when the time of every connection that speaks HTTP is over. Tunnels have tasks of their own.
    cut: watch::Sender<bool>,
}

/// One connection's place in the count. It moves with the stream, into a tunnel too.
#[derive(Debug)]
pub(crate) struct Permit {
    count: Arc<Count>,
    /// Whose connection it is, where that is counted.
    address: Option<Address>,
}

impl Connections {
    /// No connection yet.
    pub fn new(metrics: ConnectionMetrics) -> Self {
        Self(Arc::new(Count {
            open: AtomicUsize::new(0),
            closed: Notify::new(),
            crowd: Crowd::new(),
            metrics,
            rested: watch::Sender::new(false),
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

    /// Closes the connections of HTTP/1 that wait for their next request, from now on.
    pub fn close_idle(&self) {
        self.0.rested.send_replace(true);
    }

    /// Turns true with [`Connections::close_idle`].
    pub(crate) fn rested(&self) -> watch::Receiver<bool> {
        self.0.rested.subscribe()
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
        Some(Permit { count: self.0.clone(), address: None })
    }
}

impl Permit {
    pub(crate) fn metrics(&self) -> &ConnectionMetrics {
        &self.count.metrics
    }

    /// Counts it as one of this address, unless that has as many as it may have.
    ///
    /// The last tenth of all places is for addresses that have fewer than are free. However many share in an attack,
    /// there are as many places left for somebody new as each of them holds.
    pub(crate) fn belongs_to(&mut self, client: IpAddr, limits: &Limits) -> bool {
        let free = limits.max_connections.saturating_sub(self.count.open.load(Ordering::Relaxed));
        let is_crowded = free < limits.max_connections / 10;
        // The place of the one that is asking was free before.
        let most = if is_crowded { free + 1 } else { usize::MAX }.min(limits.max_connections_per_address);
        let address = Address::of(client);
        if !self.count.crowd.enter(address, most) {
            self.count.metrics.refused_of_address.inc();
            return false;
        }
        self.address = Some(address);
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.count.crowd.leave(address);
        }
        self.count.metrics.open.dec();
        if self.count.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.count.closed.notify_waiters();
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

    /// Each of many addresses takes as many connections as it gets, and then somebody comes for the first time.
    #[tokio::test]
    async fn a_crowd_leaves_room_for_the_next_one() {
        for (attackers, per_address) in [(1, 1000), (1, 100_000), (50, 1000), (2000, 1000)] {
            let metrics = Metrics::new().unwrap().connections();
            let connections = Connections::new(metrics.clone());
            let limits = Limits {
                max_connections: 5000,
                max_connections_per_address: per_address,
                ..Limits::default()
            };
            let mut held = Vec::new();
            for round in 0..5000 / attackers + 1 {
                for attacker in 0..attackers {
                    let address = IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + attacker as u32));
                    let Some(mut permit) = connections.admit(limits.max_connections) else { continue };
                    if permit.belongs_to(address, &limits) {
                        held.push(permit);
                    } else {
                        assert!(round > 0, "everybody gets one");
                    }
                }
            }
            for guest in 0..3 {
                let mut permit = connections.admit(limits.max_connections).unwrap();
                let address = IpAddr::from([192, 0, 2, guest]);
                assert!(permit.belongs_to(address, &limits), "{attackers} have {}", held.len());
            }
            assert!(metrics.refused_of_address.get() > 0);
        }
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
