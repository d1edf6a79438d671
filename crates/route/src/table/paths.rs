//! From a path to the matchers that accept it, the best first.

use crate::matcher::PathKind;
use crate::{PathMatch, Position, Site};
use std::collections::HashMap;
use std::iter;

/// The matchers of one site by their path condition.
///
/// Rank is known before any request is: matchers are sorted once, and every list below keeps that order.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    exact: HashMap<String, Vec<Position>>,
    prefix: HashMap<String, Vec<Position>>,
    /// The length of the longest prefix, in bytes: what is longer is not looked up, so that a path of
    /// thousands of elements costs what the rules ask for and not what its sender does.
    longest: usize,
    /// Regular expressions in the order of writing, then the matchers without a path condition.
    rest: Vec<(PathMatch, Position)>,
}

// === impl PathIndex ===

impl PathIndex {
    pub(super) fn new<T>(site: &Site<T>) -> Self {
        let mut index = Self::default();
        for (_, position) in site.ranked() {
            let path = &site.matcher(position).path;
            match path.kind() {
                PathKind::Exact(exact) => index.exact.entry(exact.clone()).or_default().push(position),
                PathKind::Prefix(prefix) => {
                    index.longest = index.longest.max(prefix.len());
                    index.prefix.entry(prefix.clone()).or_default().push(position);
                }
                PathKind::Regex(_) | PathKind::Any => index.rest.push((path.clone(), position)),
            }
        }
        index
    }

    /// The matchers whose path condition accepts this path, in falling rank. Allocates nothing.
    pub(super) fn candidates(&self, path: &str) -> impl Iterator<Item = Position> {
        let exact = self.exact.get(path).into_iter().flatten();
        let prefixes = ancestors(path).skip_while(|ancestor| ancestor.len() > self.longest);
        let prefix = prefixes.filter_map(|ancestor| self.prefix.get(ancestor)).flatten();
        let rest = self.rest.iter().filter(move |(condition, _)| condition.accepts(path));
        exact.chain(prefix).copied().chain(rest.map(|&(_, position)| position))
    }
}

/// `/a/b`, `/a` and the empty string for `/a/b` and `/a/b/`: the prefixes that accept the path, the longest
/// first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let whole = path.strip_suffix('/').unwrap_or(path);
    iter::successors(Some(whole), |ancestor| ancestor.rsplit_once('/').map(|(parent, _)| parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_from_the_longest() {
        for (path, expected) in [
            ("/", &[""][..]),
            ("/a", &["/a", ""]),
            ("/a/b", &["/a/b", "/a", ""]),
            ("/a/b/", &["/a/b", "/a", ""]),
        ] {
            assert_eq!(ancestors(path).collect::<Vec<_>>(), expected, "{path}");
        }
    }
}
