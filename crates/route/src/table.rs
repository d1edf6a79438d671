//! The prepared form of all sites, made once per configuration and read by every request.

mod allow;
mod hosts;
mod paths;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use self::hosts::HostIndex;
use self::paths::PathIndex;
use crate::{Position, Request, Site};

pub use self::allow::Allow;
pub use self::hosts::{Conflict, InvalidTable};

/// Sites and their rules, indexed for lookup.
#[derive(Debug)]
pub struct RouteTable<T> {
    hosts: HostIndex,
    sites: Vec<Indexed<T>>,
}

/// The answer of a table to a request.
#[derive(Debug)]
pub enum Outcome<'t, T> {
    /// A rule accepts the request.
    Found(Found<'t, T>),
    /// No site names the host, and none takes what others leave.
    NoSite,
    /// The site has no rule for the request.
    NoRoute {
        /// Index of the site, as given to [`RouteTable::new`].
        site: usize,
    },
    /// The site would have a rule for the request if its method were another: the answer is 405 (RFC 9110
    /// section 15.5.6).
    MethodNotAllowed {
        /// Index of the site, as given to [`RouteTable::new`].
        site: usize,
        /// The methods that would be accepted.
        allow: Allow,
    },
}

/// The rule that won.
#[derive(Debug)]
pub struct Found<'t, T> {
    /// Index of the site, as given to [`RouteTable::new`].
    pub site: usize,
    /// Which of the site's rules it is, and which of the rule's matchers accepted.
    pub position: Position,
    /// The rule's target.
    pub target: &'t T,
}

#[derive(Debug)]
struct Indexed<T> {
    site: Site<T>,
    paths: PathIndex,
}

// === impl RouteTable ===

impl<T> RouteTable<T> {
    /// Prepares the sites for lookup.
    ///
    /// # Errors
    ///
    /// Every host that two sites name, and every site too many that names none.
    pub fn new(sites: impl IntoIterator<Item = Site<T>>) -> Result<Self, InvalidTable> {
        let sites: Vec<_> = sites.into_iter().collect();
        let hosts = HostIndex::new(&sites)?;
        let sites = sites.into_iter().map(|site| Indexed { paths: PathIndex::new(&site), site }).collect();
        Ok(Self { hosts, sites })
    }

    /// The best-ranked rule that accepts the request.
    ///
    /// Exact paths and prefixes are found by hashing, whatever the number of rules. Regular expressions are
    /// tried in turn, and only when no exact path and no prefix accepts. Header and query conditions cost
    /// nothing where there are none. A lookup that finds a rule allocates nothing, except that a query value
    /// with escapes is decoded when a condition asks for it, and that `regex` may grow its caches.
    #[must_use]
    pub fn find(&self, request: &Request<'_>) -> Outcome<'_, T> {
        let Some((index, Indexed { site, paths })) = self.select(request.host) else {
            return Outcome::NoSite;
        };
        let mut candidates = paths.candidates(request.path);
        match candidates.find(|&at| site.matcher(at).accepts_beyond_path(request)) {
            Some(position) => {
                Outcome::Found(Found { site: index, position, target: site.rules[position.rule].target() })
            }
            None => refusal(index, site, paths, request),
        }
    }

    /// The sites, in the order in which they were given.
    pub fn sites(&self) -> impl ExactSizeIterator<Item = &Site<T>> {
        self.sites.iter().map(|indexed| &indexed.site)
    }

    /// The site that a host selects, with its index.
    #[must_use]
    pub fn site_of(&self, host: Option<&str>) -> Option<(usize, &Site<T>)> {
        self.select(host).map(|(index, indexed)| (index, &indexed.site))
    }

    fn select(&self, host: Option<&str>) -> Option<(usize, &Indexed<T>)> {
        let index = self.hosts.site_of(host)?;
        Some((index, &self.sites[index]))
    }
}

/// Why there is no rule: off the path of requests that are served, so it may look at everything again.
fn refusal<'t, T>(index: usize, site: &Site<T>, paths: &PathIndex, request: &Request<'_>) -> Outcome<'t, T> {
    let allow: Allow = paths
        .candidates(request.path)
        .map(|at| site.matcher(at))
        .filter(|matcher| matcher.accepts_beyond_method(request))
        .flat_map(|matcher| matcher.methods.as_slice())
        .collect();
    if allow.is_empty() {
        Outcome::NoRoute { site: index }
    } else {
        Outcome::MethodNotAllowed { site: index, allow }
    }
}
