//! From a host to whatever belongs to it, by the one rule that everything goes by: routes, and certificates too.

use super::{HostPattern, Kind};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::iter;

/// Values by host. Lookups allocate nothing.
///
/// ```
/// use headwall_route::HostMap;
///
/// let mut hosts = HostMap::default();
/// hosts.claim(Some(&"*.example.com".parse()?), 1);
/// hosts.claim(Some(&"app.example.com".parse()?), 2);
/// assert_eq!(hosts.find(Some("app.example.com")), Some(&2));
/// assert_eq!(hosts.find(Some("a.b.example.com")), Some(&1));
/// assert_eq!(hosts.find(Some("example.com")), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct HostMap<T> {
    exact: HashMap<String, T>,
    /// By the name that the pattern's names are below.
    below: HashMap<String, T>,
    unnamed: Option<T>,
}

// === impl HostMap ===

impl<T> HostMap<T> {
    /// Gives a host to `value` if it is free, and says what has it. No host means every host that nothing else claims.
    pub fn claim(&mut self, host: Option<&HostPattern>, value: T) -> &T {
        let (names, name) = match host.map(HostPattern::kind) {
            Some(Kind::Exact(name)) => (&mut self.exact, name),
            Some(Kind::Below(name)) => (&mut self.below, name),
            None => return self.unnamed.get_or_insert(value),
        };
        match names.entry(name.clone()) {
            Entry::Occupied(taken) => taken.into_mut(),
            Entry::Vacant(free) => free.insert(value),
        }
    }

    /// Exact, then the longest wildcard, then what takes all that others leave. `host` is in the spelling of
    /// [`host_of`](crate::host_of).
    pub fn find(&self, host: Option<&str>) -> Option<&T> {
        let named = host.and_then(|host| {
            let exact = self.exact.get(host);
            exact.or_else(|| parents(host).find_map(|parent| self.below.get(parent)))
        });
        named.or(self.unnamed.as_ref())
    }
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), below: HashMap::new(), unnamed: None }
    }
}

/// `b.c` and `c` for `a.b.c`: the names that it is below, the nearest first.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    iter::successors(parent(host), |name| parent(name))
}

fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}
