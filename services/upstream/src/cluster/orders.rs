//! What operators see of a cluster's servers, and what they say about them.

use std::sync::Arc;

use headwall_core::upstream::{CheckFailure, Disobeyed, Order, ServerStatus};
use tokio::time::Instant;

use super::Pool;
use super::members::{Member, Members, Role};
use crate::health::Watch;
use crate::server::Server;

impl Pool {
    /// The servers as they stand.
    pub(super) fn servers(&self) -> Vec<ServerStatus> {
        let members = self.members.lock();
        members.everybody().map(|(role, member)| self.status(role, member)).collect()
    }

    /// Follows an order about a server, or about all servers under a name.
    pub(super) fn order(&self, server: &str, order: Order) -> Result<(), Disobeyed> {
        // Told without the lock: a server that is told something tells us.
        let meant = meant(&self.members.lock(), server);
        if meant.is_empty() {
            return Err(Disobeyed::UnknownServer);
        }
        for server in meant {
            let (upstream, name) = (&self.name, server.full_name());
            log::info!("upstream {upstream}: {name}: an operator says {order:?}");
            match order {
                Order::Drain => server.set_draining(true),
                Order::Ready => server.set_draining(false),
                Order::Weight(weight) => server.set_weight(Some(weight)),
                Order::ConfiguredWeight => server.set_weight(None),
                _ => return Err(Disobeyed::NotTaken),
            }
        }
        Ok(())
    }

    fn status(&self, role: &Role, member: &Member) -> ServerStatus {
        let server = &member.server;
        let (ejections, until) = self.roster.referee().record(server);
        let last_failure =
            member.watch.as_deref().and_then(Watch::last_failure).map(|failure| CheckFailure {
                reason: failure.complaint.word,
                message: failure.complaint.sentence,
                at: failure.at,
            });
        let mut status = ServerStatus::new(&**server.name(), role.weight_of(member));
        status.written = server.label().to_string();
        status.state = server.standing().as_str();
        status.in_flight = server.in_flight();
        status.last_failure = last_failure;
        status.ejections = ejections;
        status.ejected_for = until.map(|until| until.saturating_duration_since(Instant::now()));
        status
    }
}

/// The servers that go by this name: one by its address, or all by what was written.
fn meant(members: &Members, name: &str) -> Vec<Arc<Server>> {
    let is_meant = |server: &Server| *name == **server.name() || *name == **server.label();
    let servers = members.everybody().map(|(_, member)| &member.server);
    servers.filter(|server| is_meant(server)).cloned().collect()
}
