//! Tables and requests as one line of text each, so that a test reads as a list of cases.

use crate::{
    HeaderMatch, Matcher, MethodMatch, Outcome, PathMatch, QueryMatch, Request, RouteTable, Rule, Site,
    ValueMatch, host_of, normalise,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A site from its hosts (`a.example.com *.example.com`) and its rules, each a target and its matchers.
pub(crate) fn site(hosts: &str, rules: &[(&'static str, &str)]) -> Site<&'static str> {
    Site {
        name: None,
        hosts: hosts.split_whitespace().map(|host| host.parse().unwrap()).collect(),
        rules: rules.iter().map(|(target, written)| rule(target, written)).collect(),
    }
}

/// A table with one site that takes every host.
pub(crate) fn table(rules: &[(&'static str, &str)]) -> RouteTable<&'static str> {
    RouteTable::new([site("", rules)]).unwrap()
}

/// Matchers are divided by ` | `; none at all is the rule without a matcher.
fn rule(target: &'static str, written: &str) -> Rule<&'static str> {
    Rule::new(written.split(" | ").filter(|text| !text.is_empty()).map(matcher), target)
}

/// Words: `=/exact`, `/prefix`, `~regex`, `GET,POST`, `@header`, `@header=value`, `?query~regex`.
pub(crate) fn matcher(written: &str) -> Matcher {
    let mut matcher = Matcher::default();
    for word in written.split_whitespace() {
        match word.as_bytes()[0] {
            b'=' => matcher.path = PathMatch::exact(&word[1..]).unwrap(),
            b'/' => matcher.path = PathMatch::prefix(word).unwrap(),
            b'~' => matcher.path = PathMatch::regex(&word[1..]).unwrap(),
            b'@' => {
                let (name, value) = condition(&word[1..]);
                matcher.headers.push(HeaderMatch::new(name, value).unwrap());
            }
            b'?' => {
                let (name, value) = condition(&word[1..]);
                matcher.query.push(QueryMatch::new(name, value));
            }
            _ => matcher.methods = MethodMatch::parse(word.split(',')).unwrap(),
        }
    }
    matcher
}

fn condition(written: &str) -> (&str, ValueMatch) {
    if let Some((name, value)) = written.split_once('=') {
        (name, ValueMatch::exact(value))
    } else if let Some((name, pattern)) = written.split_once('~') {
        (name, ValueMatch::regex(pattern).unwrap())
    } else {
        (written, ValueMatch::present())
    }
}

/// Reads a request such as `GET app.example.com/a/b?x=1 name: value; name: value`. Without a host: `GET /a`.
pub(crate) fn with_request<R>(written: &str, look: impl FnOnce(&Request<'_>) -> R) -> R {
    let mut parts = written.splitn(3, ' ');
    let method = Method::from_bytes(parts.next().unwrap().as_bytes()).unwrap();
    let target = parts.next().unwrap();
    let (host, path) = target.split_at(target.find('/').unwrap());
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut headers = HeaderMap::new();
    for line in parts.next().into_iter().flat_map(|lines| lines.split("; ")) {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let host = (!host.is_empty()).then(|| host_of(host).unwrap());
    let path = normalise(path).unwrap();
    look(&Request { host: host.as_deref(), method: &method, path: &path, query, headers: &headers })
}

/// The outcome in words: the target, `no site`, `no route`, or `allow GET, HEAD`.
pub(crate) fn outcome(table: &RouteTable<&'static str>, request: &Request<'_>) -> String {
    match table.find(request) {
        Outcome::Found(found) => (*found.target).to_owned(),
        Outcome::NoSite => "no site".to_owned(),
        Outcome::NoRoute { .. } => "no route".to_owned(),
        Outcome::MethodNotAllowed { allow, .. } => format!("allow {allow}"),
    }
}

#[track_caller]
pub(crate) fn check(table: &RouteTable<&'static str>, written: &str, expected: &str) {
    assert_eq!(with_request(written, |request| outcome(table, request)), expected, "{written}");
}
