//! Who the servers of a cluster are.
//!
//! A config names servers; each of these roles is filled by as many servers as there are addresses for it: one for an
//! address that was written, none or several for a name. Who fills a role changes while the cluster is at work.

use std::net::SocketAddr;
use std::sync::Arc;

use headwall_core::{BoxError, Build, Metrics};
use pingora_core::protocols::l4::socket::SocketAddr as Address;

use crate::dialect::{Dialect, Name};
use crate::health::Watch;
use crate::policy::{Candidate, Policies};
use crate::roster::Roster;
use crate::server::Server;
use crate::{ClusterSettings, HealthCheck, Place, ServerSettings};

/// The servers of one cluster.
pub(super) struct Members {
    dialect: Dialect,
    check: Option<HealthCheck>,
    metrics: Metrics,
    roster: Arc<Roster>,
    roles: Vec<Role>,
}

/// A server as the config names it, and who that is.
pub(super) struct Role {
    pub(super) settings: ServerSettings,
    /// What their certificates have to be valid for.
    name: Name,
    cast: Vec<Member>,
}

/// One server that fills a role.
struct Member {
    server: Arc<Server>,
    /// Let go of when the cluster retires; then whoever else holds the watch goes on.
    watch: Option<Arc<Watch>>,
}

// === impl Members ===

impl Members {
    /// Finds who is known already. Names that have not been looked up are nobody yet.
    pub(super) fn new<P: Policies>(
        settings: &ClusterSettings<P>,
        dialect: Dialect,
        roster: Arc<Roster>,
        cx: &Build<'_>,
    ) -> Result<Self, BoxError> {
        let role = |settings: &ServerSettings| {
            let name = dialect.name_of(&settings.address)?;
            Ok::<_, BoxError>(Role { settings: settings.clone(), name, cast: Vec::new() })
        };
        let roles = settings.servers.iter().map(role).collect::<Result<_, _>>()?;
        let check = settings.health_check.clone();
        let mut members = Self { dialect, check, metrics: cx.metrics().clone(), roster, roles };
        for index in 0..members.roles.len() {
            let cast = match &members.roles[index].settings.address.place {
                Place::Ip(address) => vec![members.member(index, Address::Inet(*address))?],
                Place::Unix(path) => {
                    let address = std::os::unix::net::SocketAddr::from_pathname(path)?;
                    vec![members.member(index, Address::Unix(address))?]
                }
                Place::Name(host, port) => {
                    let known = members.roster.answer(host, *port).into_iter();
                    known
                        .map(|address| members.member(index, Address::Inet(address)))
                        .collect::<Result<_, _>>()?
                }
            };
            members.roles[index].cast = cast;
        }
        Ok(members)
    }

    /// The roles, in the order of the config.
    pub(super) fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// From now on the role at `index` is filled by the servers at these addresses.
    pub(super) fn found(&mut self, index: usize, addresses: &[SocketAddr]) -> Result<(), BoxError> {
        let cast = addresses.iter().map(|address| self.member(index, Address::Inet(*address)));
        self.roles[index].cast = cast.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Those who watch the servers.
    pub(super) fn watches(&self) -> Vec<Arc<Watch>> {
        let members = self.roles.iter().flat_map(|role| &role.cast);
        members.filter_map(|member| member.watch.clone()).collect()
    }

    /// Leaves the watching to others. Who the servers are stays known, for requests that have not been served yet.
    pub(super) fn let_go(&mut self) {
        self.roles.iter_mut().flat_map(|role| &mut role.cast).for_each(|member| member.watch = None);
    }

    /// The servers that may be asked, by priority.
    pub(super) fn groups(&self) -> Vec<Vec<Candidate>> {
        let candidates = self.roles.iter().flat_map(|role| {
            let available = role.cast.iter().filter(|member| member.server.is_available());
            available.map(|member| Candidate::new(member.server.clone(), role.settings.weight * 100))
        });
        vec![candidates.collect()]
    }

    fn member(&self, index: usize, address: Address) -> Result<Member, BoxError> {
        let role = &self.roles[index];
        let written = role.settings.address.to_string();
        let identity = format!("{written} {address} {} {:?}", self.dialect.fingerprint(), role.name);
        let server = self.roster.server(&identity, |audience| {
            let peer = self.dialect.towards(&address, &role.name)?;
            let server = Server::new(&written, peer, address, audience);
            Ok(if self.check.is_some() { server.to_be_looked_at() } else { server })
        })?;
        let identity = format!("{identity} {:?}", self.check);
        let watch = self.roster.watch(&identity, || {
            let (check, board) = (self.check.as_ref(), self.roster.board().clone());
            Watch::new(server.clone(), &role.settings.address, check, board, &self.metrics)
        })?;
        Ok(Member { server, watch: Some(watch) })
    }
}
