//! Who the servers of a cluster are.
//!
//! A config names servers; each of these roles is filled by as many servers as there are addresses for it: one for an
//! address that was written, none or several for a name. Who fills a role changes while the cluster is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use headwall_core::{BoxError, Build, Metrics};
use pingora_core::protocols::l4::socket::SocketAddr as Address;
use tokio::time::Instant;

use crate::dialect::{Dialect, Name};
use crate::health::Watch;
use crate::policy::{Candidate, Policies};
use crate::roster::Roster;
use crate::server::Server;
use crate::standing::Eligible;
use crate::{ClusterSettings, HealthCheck, Place, ServerSettings};

/// The servers of one cluster.
pub(super) struct Members {
    dialect: Dialect,
    check: Option<HealthCheck>,
    slow_start: Option<Duration>,
    panic_threshold: u32,
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

/// The servers that may be asked.
pub(super) struct Groups {
    /// The most wanted first.
    pub(super) by_priority: Vec<Vec<Candidate>>,
    /// Whether one of them is still on its way to its full share.
    pub(super) is_warming: bool,
}

/// The steps of a slow start.
pub(super) const STEPS: u32 = 20;

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
        let slow_start = settings.slow_start.map(|time| time.as_std());
        let metrics = cx.metrics().clone();
        let panic_threshold = settings.panic_threshold;
        let mut members = Self { dialect, check, slow_start, panic_threshold, metrics, roster, roles };
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

    /// The servers' names, each once.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        let servers = self.roles.iter().flat_map(|role| &role.cast).map(|member| member.server.name());
        let names: BTreeSet<_> = servers.cloned().collect();
        names.into_iter().collect()
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
    pub(super) fn groups(&self) -> Groups {
        let now = Instant::now();
        let (mut by_priority, mut is_warming) = (BTreeMap::<u32, Vec<Candidate>>::new(), false);
        let roles = || self.roles.iter().filter(|role| role.settings.weight > 0);
        let standings = roles().flat_map(|role| role.cast.iter().map(|member| member.server.standing()));
        let eligible = Eligible::among(standings, self.panic_threshold);
        for role in roles() {
            let ServerSettings { weight, priority, max_connections, .. } = role.settings;
            let group = by_priority.entry(priority).or_default();
            for Member { server, .. } in
                role.cast.iter().filter(|member| eligible.has(member.server.standing()))
            {
                let warm = self.slow_start.map_or(STEPS, |all| warm(server.recovered(), now, all));
                is_warming |= warm < STEPS;
                let limit = max_connections
                    .map(|limit| (u64::from(limit) * u64::from(warm) / u64::from(STEPS)).max(1));
                let limit = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(u32::MAX);
                let candidate = Candidate::new(server.clone(), weight * 100 * warm / STEPS);
                group.push(candidate.with_limit(limit));
            }
        }
        Groups { by_priority: by_priority.into_values().collect(), is_warming }
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
            Watch::new(
                server.clone(),
                &role.settings.address,
                self.check.as_ref(),
                &self.roster,
                &self.metrics,
            )
        })?;
        Ok(Member { server, watch: Some(watch) })
    }
}

/// How many steps of a slow start a server has made.
fn warm(recovered: Option<Instant>, now: Instant, slow_start: Duration) -> u32 {
    let Some(recovered) = recovered else { return STEPS };
    let share = now.saturating_duration_since(recovered).as_secs_f64() / slow_start.as_secs_f64();
    ((share * f64::from(STEPS)) as u32).clamp(1, STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_start_is_even_and_only_for_those_who_were_away() {
        let start = Instant::now();
        let all = Duration::from_secs(40);
        assert_eq!(warm(None, start, all), STEPS, "it was never away");
        for (seconds, steps) in [(0, 1), (1, 1), (4, 2), (20, 10), (39, 19), (40, 20), (4_000, 20)] {
            assert_eq!(warm(Some(start), start + Duration::from_secs(seconds), all), steps, "{seconds} s");
        }
    }
}
