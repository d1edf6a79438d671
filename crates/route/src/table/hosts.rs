//! From a host to its site.

use crate::{HostMap, HostPattern, Site};
use std::fmt;

/// Every conflict between the sites of a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidTable(Vec<Conflict>);

/// A host that two sites claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The host; `None` when both sites take what others leave.
    pub host: Option<HostPattern>,
    /// Index and name of the site that claimed it first.
    pub first: (usize, String),
    /// Index and name of the site that claimed it again.
    pub second: (usize, String),
}

/// Sites by index.
#[derive(Debug, Default)]
pub(super) struct HostIndex(HostMap<usize>);

// === impl InvalidTable ===

impl InvalidTable {
    /// The conflicts, in the order of writing; never empty.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.0
    }
}

impl fmt::Display for InvalidTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, conflict) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{conflict}")?;
        }
        Ok(())
    }
}

// === impl Conflict ===

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = (&self.first.1, &self.second.1);
        match &self.host {
            Some(host) => {
                write!(f, "expected each host in one site, {host} is in site {first} and in site {second}")
            }
            None => write!(f, "expected one site without hosts, {first} and {second} are without"),
        }
    }
}

// === impl HostIndex ===

impl HostIndex {
    pub(super) fn new<T>(sites: &[Site<T>]) -> Result<Self, InvalidTable> {
        let mut hosts = HostMap::default();
        let mut conflicts = Vec::new();
        for (index, site) in sites.iter().enumerate() {
            let everything = site.hosts.is_empty().then_some(None);
            for host in site.hosts.iter().map(Some).chain(everything) {
                let holder = *hosts.claim(host, index);
                // A host that a site names twice is named.
                if holder != index {
                    let first = (holder, sites[holder].to_string());
                    let second = (index, site.to_string());
                    conflicts.push(Conflict { host: host.cloned(), first, second });
                }
            }
        }
        if conflicts.is_empty() { Ok(Self(hosts)) } else { Err(InvalidTable(conflicts)) }
    }

    pub(super) fn site_of(&self, host: Option<&str>) -> Option<usize> {
        self.0.find(host).copied()
    }
}
