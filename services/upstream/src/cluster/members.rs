//! Who the servers of a cluster are.
//!
//! A config names servers; each of these roles is filled by as many servers as there are addresses for it: one for an
//! address that was written, none or several for a name. Who fills a role changes while the cluster is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use headwall_core::{BoxError, Build, Metrics};
use pingora_core::protocols::l4::socket::SocketAddr as Address;
use tokio::time::Instant;

use crate::dialect::{Dialect, Name};
use crate::discovery::{Found, Question};
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
    /// Where its name leads, if it is one.
    found: Vec<Found>,
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
pub(super) struct Member {
    pub(super) server: Arc<Server>,
    /// Among those of one service: a lower one is asked first.
    priority: u16,
    /// Among those of one name and priority, in hundredths of the average.
    share: u32,
    /// Let go of when the cluster retires; then whoever else holds the watch goes on.
    pub(super) watch: Option<Arc<Watch>>,
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
            Ok::<_, BoxError>(Role { settings: settings.clone(), name, found: Vec::new(), cast: Vec::new() })
        };
        let roles = settings.servers.iter().map(role).collect::<Result<_, _>>()?;
        let check = settings.health_check.clone();
        let slow_start = settings.slow_start.map(|time| time.as_std());
        let metrics = cx.metrics().clone();
        let panic_threshold = settings.panic_threshold;
        let mut members = Self { dialect, check, slow_start, panic_threshold, metrics, roster, roles };
        for index in 0..members.roles.len() {
            let cast = match &members.roles[index].settings.address.place {
                Place::Ip(address) => vec![members.member(index, Address::Inet(*address), 0, 100)?],
                Place::Unix(path) => {
                    let address = std::os::unix::net::SocketAddr::from_pathname(path)?;
                    vec![members.member(index, Address::Unix(address), 0, 100)?]
                }
                Place::Name(..) | Place::Service(_) => {
                    let known =
                        members.roles[index].question().map(|question| members.roster.answer(&question));
                    let known = known.unwrap_or_default();
                    let cast = members.cast(index, &known)?;
                    members.roles[index].found = known;
                    cast
                }
            };
            members.roles[index].cast = cast;
        }
        Ok(members)
    }

    #[cfg(test)]
    pub(super) fn servers(&self) -> Vec<Arc<Server>> {
        self.roles.iter().flat_map(|role| &role.cast).map(|member| member.server.clone()).collect()
    }

    /// The roles, in the order of the config.
    pub(super) fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// From now on the role at `index` is filled by these. Whether that is anything new.
    pub(super) fn found(&mut self, index: usize, found: &[Found]) -> Result<bool, BoxError> {
        if self.roles[index].found == found {
            return Ok(false);
        }
        self.roles[index].cast = self.cast(index, found)?;
        self.roles[index].found = found.to_vec();
        Ok(true)
    }

    /// Everybody, and what the config has them for.
    pub(super) fn everybody(&self) -> impl Iterator<Item = (&Role, &Member)> {
        self.roles.iter().flat_map(|role| role.cast.iter().map(move |member| (role, member)))
    }

    /// The servers' names, each once.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        let names: BTreeSet<_> = self.everybody().map(|(_, member)| member.server.name().clone()).collect();
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
        let (mut by_priority, mut is_warming) = (BTreeMap::<(u32, u16), Vec<Candidate>>::new(), false);
        let wanted = || self.everybody().filter(|(role, member)| role.weight_of(member) > 0);
        let standings = wanted().map(|(_, member)| member.server.standing());
        let eligible = Eligible::among(standings, self.panic_threshold);
        for (role, member) in wanted() {
            let ServerSettings { priority, max_connections, .. } = role.settings;
            if eligible.has(member.server.standing()) {
                let warm = self.slow_start.map_or(STEPS, |all| warm(member.server.recovered(), now, all));
                is_warming |= warm < STEPS;
                let warmed = |full: u64| {
                    u32::try_from(full * u64::from(warm) / u64::from(STEPS)).unwrap_or(u32::MAX).max(1)
                };
                let limit = max_connections.map_or(u32::MAX, |limit| warmed(limit.into()));
                let weight = warmed(u64::from(role.weight_of(member)) * u64::from(member.share));
                let candidate = Candidate::new(member.server.clone(), weight).with_limit(limit);
                by_priority.entry((priority, member.priority)).or_default().push(candidate);
            }
        }
        Groups { by_priority: by_priority.into_values().collect(), is_warming }
    }

    /// Those who fill a role, where its name leads.
    fn cast(&self, index: usize, found: &[Found]) -> Result<Vec<Member>, BoxError> {
        let member = |(found, share): (&Found, u32)| {
            self.member(index, Address::Inet(found.address), found.priority, share)
        };
        found.iter().zip(shares(found)).map(member).collect()
    }

    fn member(&self, index: usize, address: Address, priority: u16, share: u32) -> Result<Member, BoxError> {
        let role = &self.roles[index];
        let written = role.settings.address.to_string();
        let identity = format!("{written} {address} {} {:?}", self.dialect.fingerprint(), role.name);
        let server = self.roster.server(&identity, |audience| {
            let peer = self.dialect.towards(&address, &role.name)?;
            let server = Server::new(&written, peer, address, audience);
            Ok(if self.check.is_some() { server.awaiting_a_look() } else { server })
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
        Ok(Member { server, priority, share, watch: Some(watch) })
    }
}

// === impl Role ===

impl Role {
    /// What one who fills it is worth: an operator's word counts for more than the config's.
    pub(super) fn weight_of(&self, member: &Member) -> u32 {
        member.server.ordered_weight().unwrap_or(self.settings.weight)
    }

    /// What has to be looked up to know who fills it.
    pub(super) fn question(&self) -> Option<Question> {
        match &self.settings.address.place {
            Place::Name(host, port) => Some(Question::Host(host.clone(), *port)),
            Place::Service(name) => Some(Question::Service(name.clone())),
            Place::Ip(_) | Place::Unix(_) => None,
        }
    }
}

/// What each gets of what those of its priority get together, in hundredths of the average.
fn shares(found: &[Found]) -> Vec<u32> {
    let share = |one: &Found| {
        let equals = || found.iter().filter(|other| other.priority == one.priority);
        let all: u64 = equals().map(|other| u64::from(other.weight)).sum();
        let share = u64::from(one.weight) * 100 * equals().count() as u64 / all.max(1);
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    };
    found.iter().map(share).collect()
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
    fn servers_of_a_service_share_by_their_weights() {
        let found = |priority, weight| Found { priority, address: ([127, 0, 0, 1], 80).into(), weight };
        let rows: [(&[Found], &[u32], &str); 5] = [
            (&[found(0, 1), found(0, 1)], &[100, 100], "equals"),
            (&[found(0, 60), found(0, 20)], &[150, 50], "three times as much"),
            (&[found(0, 60), found(0, 20), found(1, 5)], &[150, 50, 100], "others do not count"),
            (&[found(0, 65_535), found(0, 1)], &[199, 1], "hardly anything"),
            (&[], &[], "nobody"),
        ];
        for (found, expected, row) in rows {
            assert_eq!(shares(found), expected, "{row}");
        }
    }

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
