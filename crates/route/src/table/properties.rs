//! The index against an oracle that knows nothing of indexes.

use crate::fixture::{matcher, outcome, site, with_request};
use crate::{Matcher, Outcome, Position, Rank, Request, RouteTable, Rule, Site, Verdict};
use proptest::prelude::*;
use std::collections::HashSet;

/// Few words, so that rules and requests meet often.
const PATHS: &[&str] =
    &["", "/", "/a", "/a/b", "/a/b/a", "/b", "=/", "=/a", "=/a/", "=/a/b", "~^/a", "~b/?$"];
const METHODS: &[&str] = &["", "GET", "HEAD", "POST", "GET,PUT"];
const HEADERS: &[&str] = &["", "@x", "@x=1", "@x~[12]", "@x @y=1"];
const QUERIES: &[&str] = &["", "?q", "?q=1", "?q~2 ?p"];

fn matchers() -> impl Strategy<Value = String> {
    let select = prop::sample::select::<&'static str>;
    let words = (select(PATHS), select(METHODS), select(HEADERS), select(QUERIES));
    words.prop_map(|(path, method, header, query)| format!("{path} {method} {header} {query}"))
}

fn rules(most: usize) -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(matchers(), 1..4), 0..=most)
}

fn requests() -> impl Strategy<Value = String> {
    ("(GET|HEAD|POST|PUT)", "(/[ab]){0,4}/?", "(|[?]q=[12]|[?]q|[?]p&q=%3[12])", "(| x: [123]| x: 1; y: 1)")
        .prop_map(|(method, path, query, headers)| {
            let path = if path.is_empty() { "/" } else { &path };
            format!("{method} {path}{query}{headers}")
        })
}

fn one_site(rules: &[Vec<String>]) -> Site<usize> {
    let rule = |(target, written): (usize, &Vec<String>)| {
        Rule::new(written.iter().map(|text| matcher(text)), target)
    };
    Site { rules: rules.iter().enumerate().map(rule).collect(), ..Site::default() }
}

/// Scores every matcher that accepts, and takes the best.
fn oracle(site: &Site<usize>, request: &Request<'_>) -> Option<Position> {
    let mut best: Option<(Rank, Position)> = None;
    for (rule, written) in site.rules.iter().enumerate() {
        for (index, matcher) in written.matchers().iter().enumerate() {
            let position = Position { rule, matcher: index };
            let rank = Rank::new(matcher, position);
            if matcher.accepts(request) && best.is_none_or(|(other, _)| rank > other) {
                best = Some((rank, position));
            }
        }
    }
    best.map(|(_, position)| position)
}

fn found(table: &RouteTable<usize>, request: &Request<'_>) -> Option<Position> {
    match table.find(request) {
        Outcome::Found(found) => Some(found.position),
        Outcome::NoSite | Outcome::NoRoute { .. } | Outcome::MethodNotAllowed { .. } => None,
    }
}

/// A matcher's rank but for its place, as text: what decides before the order of writing does.
fn rank_class(written: &str) -> String {
    let Matcher { methods, headers, query, .. } = matcher(written);
    let path = written.split_whitespace().find(|word| word.starts_with(['/', '=', '~'])).unwrap_or("");
    let path = match path.chars().next() {
        // Between expressions nothing but the order of writing decides.
        Some('~') => return "~".to_owned(),
        Some('=') => "=".to_owned(),
        Some(_) => path.len().to_string(),
        None => String::new(),
    };
    format!("{path} {} {} {}", methods.is_any(), headers.len(), query.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn find_agrees_with_the_oracle(rules in rules(8), requests in prop::collection::vec(requests(), 8)) {
        let table = RouteTable::new([one_site(&rules)]).unwrap();
        let site = one_site(&rules);
        for written in requests {
            let (found, expected) =
                with_request(&written, |request| (found(&table, request), oracle(&site, request)));
            prop_assert_eq!(found, expected, "{}", written);
        }
    }

    #[test]
    fn explain_agrees_with_find(rules in rules(8), written in requests()) {
        let table = RouteTable::new([one_site(&rules)]).unwrap();
        let (found, explained) =
            with_request(&written, |request| (found(&table, request), table.explain(request)));
        let explained = explained.unwrap();
        prop_assert_eq!(explained.steps.len(), rules.iter().map(Vec::len).sum::<usize>());
        let winners = explained.steps.iter().filter(|step| step.verdict == Verdict::Wins);
        prop_assert_eq!(winners.map(|step| step.position).collect::<Vec<_>>(), Vec::from_iter(found));
    }

    #[test]
    fn order_decides_only_between_equal_ranks(
        (rules, shuffled) in rules(8).prop_flat_map(|rules| {
            let mut seen = HashSet::new();
            let distinct = rules.concat().into_iter().filter(|text| seen.insert(rank_class(text)));
            let numbered: Vec<_> = distinct.enumerate().collect();
            (Just(numbered.clone()), Just(numbered).prop_shuffle())
        }),
        written in requests(),
    ) {
        let winner = |rules: &[(usize, String)]| {
            let rules = rules.iter().map(|(target, text)| Rule::new([matcher(text)], *target)).collect();
            let table = RouteTable::new([Site { rules, ..Site::default() }]).unwrap();
            with_request(&written, |request| match table.find(request) {
                Outcome::Found(found) => Some(*found.target),
                Outcome::NoSite | Outcome::NoRoute { .. } | Outcome::MethodNotAllowed { .. } => None,
            })
        };
        prop_assert_eq!(winner(&rules), winner(&shuffled));
    }

    #[test]
    fn shadowed_rules_never_win(rules in rules(8), requests in prop::collection::vec(requests(), 32)) {
        let table = RouteTable::new([one_site(&rules)]).unwrap();
        for shadowed in table.shadowed() {
            for written in &requests {
                let winner = with_request(written, |request| found(&table, request));
                prop_assert!(winner.is_none_or(|at| at.rule != shadowed.rule), "{written}: {shadowed:?}");
            }
        }
    }

    #[test]
    fn the_longest_wildcard_selects(
        names in prop::collection::hash_set("([*][.])?[ab]([.][ab]){0,2}", 0..8),
        host in "[ab]([.][ab]){0,4}",
    ) {
        let below = |name: &&String| name.strip_prefix('*').is_some_and(|dotted| host.ends_with(dotted));
        let exact = names.iter().find(|name| **name == host);
        let expected = exact.or_else(|| names.iter().filter(below).max_by_key(|name| name.len()));

        let table = RouteTable::new(names.iter().map(|name| site(name, &[("", "")]))).unwrap();
        let selected = table.site_of(Some(&host)).map(|(_, site)| site.to_string());
        prop_assert_eq!(selected.as_ref(), expected);
        if expected.is_none() {
            let refused = with_request(&format!("GET {host}/"), |request| outcome(&table, request));
            prop_assert_eq!(refused, "no site");
        }
    }
}
