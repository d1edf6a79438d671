//! What the metrics say of the servers of an upstream.
//!
//! A metric knows a server by what was written, so that its series do not come and go with addresses. What is written as a
//! name may be several servers, and then a gauge counts them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use headwall_core::{BoxError, Metrics};
use parking_lot::Mutex;
use prometheus::IntGaugeVec;

use crate::server::{Hear, Server};

/// The gauges of an upstream, kept up to date.
pub(crate) struct Board {
    upstream: Arc<str>,
    up: IntGaugeVec,
    ejected: IntGaugeVec,
    draining: IntGaugeVec,
    /// By label. A server is in it once for each watch.
    rows: Mutex<BTreeMap<Arc<str>, Vec<Arc<Server>>>>,
}

impl Board {
    pub(crate) fn new(upstream: &str, metrics: &Metrics) -> Result<Self, BoxError> {
        let labels = ["upstream", "server"];
        let up = metrics.gauges(
            "headwall_upstream_server_up",
            "Whether a server counts as healthy; of a name, how many of its addresses do.",
            &labels,
        )?;
        let ejected = metrics.gauges(
            "headwall_upstream_server_ejected",
            "Whether a server is passed over because of how it has served; of a name, how many of its addresses are.",
            &labels,
        )?;
        let draining = metrics.gauges(
            "headwall_upstream_server_draining",
            "Whether an operator lets a server finish what it has; of a name, of how many of its addresses.",
            &labels,
        )?;
        Ok(Self { upstream: upstream.into(), up, ejected, draining, rows: Mutex::default() })
    }

    /// The name of the upstream.
    pub(crate) fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Shows this server too, or once more.
    pub(crate) fn enter(&self, server: &Arc<Server>) {
        let mut rows = self.rows.lock();
        let row = rows.entry(server.label().clone()).or_default();
        row.push(server.clone());
        self.show(server.label(), row);
    }

    /// Shows it no more, if nobody else does.
    pub(crate) fn leave(&self, server: &Arc<Server>) {
        let mut rows = self.rows.lock();
        let Some(row) = rows.get_mut(server.label()) else { return };
        if let Some(index) = row.iter().position(|other| Arc::ptr_eq(other, server)) {
            row.swap_remove(index);
        }
        if row.is_empty() {
            rows.remove(server.label());
            for gauges in [&self.up, &self.ejected, &self.draining] {
                gauges.remove_label_values(&[&*self.upstream, server.label()]).unwrap_or_default();
            }
        } else {
            self.show(server.label(), row);
        }
    }

    fn show(&self, label: &str, row: &[Arc<Server>]) {
        let is_first = |&(index, server): &(usize, &Arc<Server>)| {
            !row[..index].iter().any(|other| Arc::ptr_eq(other, server))
        };
        let servers = || row.iter().enumerate().filter(is_first).map(|(_, server)| server);
        let set = |gauges: &IntGaugeVec, count: usize| {
            gauges.with_label_values(&[&*self.upstream, label]).set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        set(&self.up, servers().filter(|server| server.is_up()).count());
        set(&self.ejected, servers().filter(|server| server.is_ejected()).count());
        set(&self.draining, servers().filter(|server| server.is_draining()).count());
    }
}

impl Hear for Board {
    fn changed(self: Arc<Self>) {
        for (label, row) in &*self.rows.lock() {
            self.show(label, row);
        }
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Board").field(&self.upstream).finish()
    }
}

#[cfg(test)]
mod tests {
    use headwall_core::Peer;
    use pingora_core::protocols::l4::socket::SocketAddr as Address;

    use super::*;
    use crate::server::Audience;

    fn server(port: u16, audience: &Arc<Audience>) -> Arc<Server> {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        Arc::new(Server::new("app:80", Peer::plain(address), Address::Inet(address), audience.clone()))
    }

    #[test]
    fn a_name_counts_its_servers_for_as_long_as_anybody_watches_them() {
        let metrics = Metrics::new().unwrap();
        let board = Arc::new(Board::new("app", &metrics).unwrap());
        let audience = Arc::new(Audience::default());
        let hearer: Arc<dyn Hear> = board.clone();
        audience.join(Arc::downgrade(&hearer));
        let shown = |text: &str| {
            let line = format!(r#"headwall_upstream_server_up{{server="app:80",upstream="app"}} {text}"#);
            metrics.render().unwrap().lines().any(|shown| shown.starts_with(&line))
        };

        let (one, two) = (server(1, &audience), server(2, &audience));
        board.enter(&one);
        board.enter(&two);
        assert!(shown("2"), "two servers");
        board.enter(&one);
        assert!(shown("2"), "a second watch is no second server");
        one.set_up(false);
        assert!(shown("1"), "a change is heard of");
        board.leave(&one);
        board.leave(&two);
        assert!(shown("0"), "the first watch of the other server is still there");
        board.leave(&one);
        assert!(!shown(""), "nobody is left");
    }
}
