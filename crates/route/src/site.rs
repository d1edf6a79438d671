//! Sites and rules as the caller gives them.

use crate::{HostPattern, Matcher, Position, Rank};
use std::cmp::Reverse;
use std::fmt;

/// The hosts that one set of rules answers for.
#[derive(Debug, Clone)]
pub struct Site<T> {
    /// What messages call it; without a name they use its first host.
    pub name: Option<String>,
    /// Its hosts. Without any, it takes every host that no other site names.
    pub hosts: Vec<HostPattern>,
    /// Its rules, in the order of writing.
    pub rules: Vec<Rule<T>>,
}

/// Matchers, and what a request that one of them accepts is for.
#[derive(Debug, Clone)]
pub struct Rule<T> {
    matchers: Vec<Matcher>,
    target: T,
}

// === impl Site ===

impl<T> Site<T> {
    /// Every matcher of the site, the best first.
    pub(crate) fn ranked(&self) -> Vec<(Rank, Position)> {
        let mut ranked = Vec::new();
        for (rule, Rule { matchers, .. }) in self.rules.iter().enumerate() {
            for (matcher, written) in matchers.iter().enumerate() {
                let position = Position { rule, matcher };
                ranked.push((Rank::new(written, position), position));
            }
        }
        ranked.sort_unstable_by_key(|&(rank, _)| Reverse(rank));
        ranked
    }

    pub(crate) fn matcher(&self, position: Position) -> &Matcher {
        &self.rules[position.rule].matchers[position.matcher]
    }
}

impl<T> Default for Site<T> {
    fn default() -> Self {
        Self { name: None, hosts: Vec::new(), rules: Vec::new() }
    }
}

/// What messages call the site: its name, else its first host.
impl<T> fmt::Display for Site<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.hosts.first()) {
            (Some(name), _) => f.write_str(name),
            (None, Some(host)) => host.fmt(f),
            (None, None) => f.write_str("(without hosts)"),
        }
    }
}

// === impl Rule ===

impl<T> Rule<T> {
    /// A rule that accepts what any one of the matchers accepts. Without a matcher it accepts everything.
    pub fn new(matchers: impl IntoIterator<Item = Matcher>, target: T) -> Self {
        let mut matchers: Vec<_> = matchers.into_iter().collect();
        if matchers.is_empty() {
            matchers.push(Matcher::default());
        }
        Self { matchers, target }
    }

    /// What it accepts; never empty.
    #[must_use]
    pub fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }

    /// What an accepted request is for.
    #[must_use]
    pub fn target(&self) -> &T {
        &self.target
    }
}
