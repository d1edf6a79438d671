//! What a table answers, case by case.

use crate::fixture::{check, outcome, site, table, with_request};
use crate::{Outcome, Position, RouteTable};

#[test]
fn the_host_selects_the_site() {
    let table = RouteTable::new([
        site("", &[("rest", "")]),
        site("*.example.com", &[("wide", "")]),
        site("app.example.com 10.0.0.1 [::1]", &[("app", "")]),
        site("*.eu.example.com", &[("narrow", "")]),
    ])
    .unwrap();
    for (host, expected, why) in [
        ("app.example.com", "app", "exact before wildcard"),
        ("APP.example.com.:8443", "app", "in any spelling"),
        ("10.0.0.1:80", "app", "an IPv4 address"),
        ("[0:0::1]:80", "app", "an IPv6 address"),
        ("b.example.com", "wide", "a wildcard"),
        ("x.b.example.com", "wide", "at any depth"),
        ("x.app.example.com", "wide", "an exact host is not a wildcard"),
        ("a.eu.example.com", "narrow", "the longest wildcard"),
        ("eu.example.com", "wide", "at least one label deep"),
        ("example.com", "rest", "at least one label deep"),
        ("badexample.com", "rest", "by labels, not by bytes"),
        ("", "rest", "no host at all"),
    ] {
        let outcome = with_request(&format!("GET {host}/"), |request| outcome(&table, request));
        assert_eq!(outcome, expected, "{host}: {why}");
    }
}

#[test]
fn no_site_takes_the_host() {
    let table = RouteTable::new([site("app.example.com", &[("app", "")])]).unwrap();
    check(&table, "GET other.example.com/", "no site");
    check(&table, "GET /", "no site");
}

#[test]
fn sites_do_not_fall_through() {
    let rest = site("", &[("rest", "")]);
    let table = RouteTable::new([rest, site("app.example.com", &[("api", "/api")])]).unwrap();
    check(&table, "GET app.example.com/api", "api");
    check(&table, "GET app.example.com/other", "no route");
    check(&table, "GET other.example.com/other", "rest");
}

#[test]
fn conflicts_name_both_sites() {
    let refusal = RouteTable::new([
        site("a.example.com *.example.com", &[]),
        site("b.example.com A.example.com. *.example.com", &[]),
        site("b.example.com b.example.com", &[]),
        site("", &[]),
        site("", &[]),
    ])
    .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "expected each host in one site, a.example.com is in site a.example.com and in site b.example.com\n\
         expected each host in one site, *.example.com is in site a.example.com and in site b.example.com\n\
         expected each host in one site, b.example.com is in site b.example.com and in site b.example.com\n\
         expected each host in one site, b.example.com is in site b.example.com and in site b.example.com\n\
         expected one site without hosts, (without hosts) and (without hosts) are without"
    );
    assert_eq!(refusal.conflicts()[4].first.0, 3);
    assert_eq!(refusal.conflicts()[4].second.0, 4);
}

#[test]
fn the_best_ranked_rule_wins() {
    let table = table(&[
        ("any", ""),
        ("root", "/"),
        ("regex", "~^/files/.*[.]txt$"),
        ("api", "/api"),
        ("login", "=/api/login"),
        ("login post", "=/api/login POST"),
        ("v2", "/api @x-version=2"),
        ("beta", "/api ?beta"),
        ("deep", "/api/a/b"),
    ]);
    for (request, expected) in [
        ("GET /", "root"),
        ("GET /apiary", "root"),
        ("GET /files/a.txt", "root"),
        ("GET /api", "api"),
        ("GET /api/", "api"),
        ("GET //x/..//%61pi/x", "api"),
        ("GET /api/login", "login"),
        ("POST /api/login", "login post"),
        ("POST /api/login/", "api"),
        ("GET /api/x x-version: 2", "v2"),
        ("GET /api/x?beta=1 x-version: 2", "v2"),
        ("GET /api/x?beta=1 x-version: 1", "beta"),
        ("GET /api/a", "api"),
        ("GET /api/a/bc", "api"),
        ("GET /api/a/b", "deep"),
        ("GET /api/a/b/c/d/e/f/g?beta x-version: 2", "deep"),
    ] {
        check(&table, request, expected);
    }
}

#[test]
fn a_rule_that_refuses_leaves_the_request_to_the_next_best() {
    let table = table(&[
        ("any", "@x"),
        ("first regex", "~b$ GET"),
        ("second regex", "~^/a"),
        ("prefix", "/a/b PUT | /c"),
        ("exact", "=/a/b POST"),
    ]);
    for (request, expected) in [
        ("POST /a/b", "exact"),
        ("PUT /a/b", "prefix"),
        ("GET /a/b", "first regex"),
        ("DELETE /a/b", "second regex"),
        ("DELETE /c/d", "prefix"),
        ("DELETE /d x: y", "any"),
        ("DELETE /d", "no route"),
    ] {
        check(&table, request, expected);
    }
}

#[test]
fn another_method_would_be_accepted() {
    let table = table(&[
        ("read", "/a GET"),
        ("write", "/a PUT,POST @token"),
        ("exact", "=/a/b POST,DELETE"),
        ("search", "~^/q QUERY,GET"),
    ]);
    for (request, expected) in [
        ("HEAD /a", "read"),
        ("POST /a", "allow GET, HEAD"),
        ("PATCH /a token: 1", "allow PUT, POST, GET, HEAD"),
        ("PATCH /a/b token: 1", "allow POST, DELETE, PUT, GET, HEAD"),
        ("POST /q", "allow QUERY, GET, HEAD"),
        ("POST /c", "no route"),
    ] {
        check(&table, request, expected);
    }
}

#[test]
fn a_find_says_where() {
    let sites = [site("a.example.com", &[]), site("", &[("x", "/x"), ("y", "/y | /z GET")])];
    let table = RouteTable::new(sites).unwrap();
    with_request("GET b.example.com/z", |request| match table.find(request) {
        Outcome::Found(found) => {
            assert_eq!((found.site, found.position), (1, Position { rule: 1, matcher: 1 }));
        }
        Outcome::NoSite | Outcome::NoRoute { .. } | Outcome::MethodNotAllowed { .. } => panic!("not found"),
    });
    assert!(matches!(
        with_request("PUT b.example.com/z", |request| table.find(request)),
        Outcome::MethodNotAllowed { site: 1, .. }
    ));
    assert!(matches!(
        with_request("GET a.example.com/z", |request| table.find(request)),
        Outcome::NoRoute { site: 0 }
    ));
}
