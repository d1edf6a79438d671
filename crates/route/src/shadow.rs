//! Rules that no request can reach.
//!
//! Such a rule is a mistake: its author believes that something happens which never will, and when the rule
//! is the stricter one that belief is a hole. What this module reports is certain; what it does not report
//! may still be unreachable.

use crate::{RouteTable, Site};

/// A rule that no request can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadowed {
    /// Index of the site, as given to [`RouteTable::new`].
    pub site: usize,
    /// Index of the unreachable rule in its site.
    pub rule: usize,
    /// Indices of the rules that take its requests, rising, each once.
    pub by: Vec<usize>,
}

impl<T> RouteTable<T> {
    /// The rules that no request can reach, by site and rule.
    ///
    /// A rule is reported when for each of its matchers some one better-ranked matcher of another rule
    /// accepts all that it accepts. Only better-ranked matchers can do so: the prefix `/` never shadows
    /// `/api`, wherever either is written. Seen are:
    ///
    /// * the same path with the same conditions or more of them, and no better rank: mostly a rule written
    ///   twice;
    /// * a method list within another, GET over HEAD included;
    /// * a header or query value that is the same, that an expression accepts, or where presence is enough;
    /// * the prefix `/` over expressions and over rules without a path.
    ///
    /// Not seen are rules that several others shadow only together (GET by one, POST by another), and what
    /// would take an understanding of regular expressions: they are compared as text.
    #[must_use]
    pub fn shadowed(&self) -> Vec<Shadowed> {
        let sites = self.sites().enumerate();
        sites.flat_map(|(index, site)| shadowed_in(index, site)).collect()
    }
}

fn shadowed_in<T>(index: usize, site: &Site<T>) -> Vec<Shadowed> {
    // For each rule, which rule takes the requests of each of its matchers, as far as that is known.
    let mut takers = vec![Vec::new(); site.rules.len()];
    let ranked = site.ranked();
    for (place, &(_, position)) in ranked.iter().enumerate() {
        let matcher = site.matcher(position);
        // The best taker of all. It may be of the same rule, but not when that rule is reported: then the
        // taker has one of its own, which covers both and comes first.
        let mut better = ranked[..place].iter().map(|&(_, other)| other);
        let taker = better.find(|&other| site.matcher(other).covers(matcher));
        takers[position.rule].push(taker.map(|other| other.rule));
    }
    let shadowed = takers.into_iter().enumerate().filter_map(|(rule, takers)| {
        let mut by: Vec<_> = takers.into_iter().collect::<Option<_>>()?;
        by.sort_unstable();
        by.dedup();
        Some(Shadowed { site: index, rule, by })
    });
    shadowed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{site, table};

    /// Names each rule by its index, and says who shadows whom as `rule < by by`.
    #[track_caller]
    fn check(rules: &[&str], expected: &[&str], why: &str) {
        let rules: Vec<_> = rules.iter().map(|written| ("", *written)).collect();
        let shadowed: Vec<_> = table(&rules)
            .shadowed()
            .into_iter()
            .map(|Shadowed { rule, by, .. }| {
                by.iter().fold(format!("{rule} <"), |text, by| format!("{text} {by}"))
            })
            .collect();
        assert_eq!(shadowed, expected, "{why}");
    }

    #[test]
    fn reported() {
        check(&["/a", "/a"], &["1 < 0"], "written twice");
        check(&["", ""], &["1 < 0"], "two rules for the rest");
        check(&["=/a/", "=/x/../a/"], &["1 < 0"], "written twice, spelled twice");
        check(&["/a GET", "/a HEAD"], &["1 < 0"], "GET implies HEAD");
        check(&["/a GET,POST", "/a POST"], &["1 < 0"], "one method of two");
        check(&["/a @x=1", "/a @x=1"], &["1 < 0"], "the same header");
        check(&["/a @x", "/a @x=1"], &["1 < 0"], "presence is enough, and was written first");
        check(&["/a ?x~^[0-9]$", "/a ?x=1"], &["1 < 0"], "an expression that accepts the value");
        check(&["~^/a", "~^/a POST @x"], &["1 < 0"], "expressions go by order of writing");
        check(&["~^/a", "/"], &["0 < 1"], "the prefix of all paths ranks above expressions");
        check(&["GET", "/"], &["0 < 1"], "and above no path");
        check(&["/a | /b", "/a | /b"], &["1 < 0"], "each matcher by the same rule");
        check(&["/a", "/b", "/b | /a"], &["2 < 0 1"], "each matcher by another rule");
        check(&["/a", "/a | /a"], &["1 < 0"], "matchers of one rule do not shelter each other");
    }

    #[test]
    fn not_reported() {
        check(&["/", "/api"], &[], "the longest prefix wins, whatever is written first");
        check(&["/api", "=/api"], &[], "exact before prefix");
        check(&["/a", "/a GET"], &[], "a condition on the method ranks higher");
        check(&["/a @x", "/a @x @y"], &[], "more headers rank higher");
        check(&["/a GET", "/a POST"], &[], "another method");
        check(&["/a GET", "/a"], &[], "every other method is left");
        check(&["/a HEAD", "/a GET"], &[], "HEAD does not imply GET");
        check(&["/a @x=1", "/a @x=2"], &[], "another value");
        check(&["/a @x=1", "/a @y=1"], &[], "another header");
        check(&["/a @x @y", "/a @x @z"], &[], "one header of two");
        check(&["/a ?x=1", "/a ?x=2"], &[], "another parameter value");
        check(&["/a ?x ?y", "/a ?x ?z"], &[], "one parameter of two");
        check(&["/a @x=1", "/a ?x=1"], &[], "a header is not a parameter");
        check(&["~^/a", "~^/ab"], &[], "expressions are compared as text");
        check(&["~^/", ""], &[], "an expression that accepts all is not seen");
        check(&["/a", "/a | /b"], &[], "one matcher can still be reached");
        check(&["/a | /a"], &[], "a rule is not unreachable by itself");
    }

    #[test]
    fn each_site_for_itself() {
        let sites = [site("", &[("", "/a")]), site("a.example.com", &[("", "/a"), ("", "/b"), ("", "/b")])];
        let shadowed = RouteTable::new(sites).unwrap().shadowed();
        assert_eq!(shadowed, [Shadowed { site: 1, rule: 2, by: vec![1] }]);
    }
}
