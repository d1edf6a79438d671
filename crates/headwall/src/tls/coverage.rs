//! Whether certificates are for the hosts of their site. A file that was copied to the wrong place fits its key and is
//! valid, and locks everybody out all the same.

use std::fmt;
use std::sync::Arc;

use headwall_route::HostPattern;
use headwall_tls::Identity;

/// The hosts of a site.
#[derive(Debug, Clone)]
pub(super) struct Hosts(Vec<Host>);

#[derive(Debug, Clone)]
struct Host {
    /// As the config has it.
    written: String,
    /// As a client asks for it: for a wildcard, one of the many.
    asked: String,
}

// === impl Hosts ===

impl Hosts {
    pub(super) fn of(hosts: &[HostPattern]) -> Self {
        let host = |host: &HostPattern| {
            let written = host.to_string();
            let asked = match written.strip_prefix("*.") {
                Some(parent) => format!("any.{parent}"),
                None => written.clone(),
            };
            Host { written, asked }
        };
        Self(hosts.iter().map(host).collect())
    }

    /// The first host that would lose its certificate if the new one took the old one's place.
    pub(super) fn lost(&self, old: &Identity, new: &Identity) -> Option<&str> {
        let lost = self.0.iter().find(|host| old.covers(&host.asked) && !new.covers(&host.asked));
        lost.map(|host| &*host.written)
    }

    /// The hosts that none of these is for.
    pub(super) fn uncovered<'a>(&'a self, shown: &'a [Arc<Identity>]) -> impl Iterator<Item = &'a str> {
        let uncovered = |host: &&Host| !shown.iter().any(|identity| identity.covers(&host.asked));
        self.0.iter().filter(uncovered).map(|host| &*host.written)
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|host| write!(f, "{} ", host.written))
    }
}
