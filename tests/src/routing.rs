//! Which route a request takes, through the whole stack: what the wire says, what is matched, what the origin receives.
//!
//! The rules themselves are tested against an oracle in `headwall-route`; here it is shown that the server asks them
//! about the right host, method and path, and does what they say.

use headwall_testkit::{Client, Echo, Gateway, Origin, Reply, Wire};
use http::Method;

use crate::forwarding::in_front_of;

/// Sends a head as it stands, with `Connection: close`, and gives the whole answer.
async fn ask(gateway: &Gateway, head: &str) -> String {
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write(format!("{head}\r\nConnection: close\r\n\r\n")).await;
    wire.read_to_end().await
}

#[tokio::test]
async fn a_site_is_found_by_its_exact_host_then_by_wildcard_then_by_default() {
    let gateway = Gateway::start(
        "
        sites:
          - routes: [{ respond: { body: default } }]
          - hosts: [\"*.example.com\"]
            routes: [{ respond: { body: wildcard } }]
          - hosts: [\"*.eu.example.com\"]
            routes: [{ respond: { body: longer wildcard } }]
          - hosts: [app.example.com, example.net]
            routes: [{ respond: { body: exact } }]
        ",
    )
    .await;
    let rows = [
        ("app.example.com", "exact", "as written"),
        ("example.net", "exact", "the second of two hosts"),
        ("APP.Example.COM", "exact", "letter case does not matter"),
        ("app.example.com.", "exact", "a final dot does not matter"),
        ("app.example.com:8443", "exact", "the port does not matter"),
        ("www.example.com", "wildcard", "one label"),
        ("a.b.example.com", "wildcard", "two labels"),
        ("a.eu.example.com", "longer wildcard", "the longer wildcard wins"),
        ("example.com", "default", "a wildcard stands for at least one label"),
        ("notexample.com", "default", "a wildcard ends at a dot"),
        ("127.0.0.1", "default", "an address"),
        ("[::1]:80", "default", "an IPv6 address"),
    ];
    for (host, expected, row) in rows {
        let reply = gateway.client().get("/").host(host).send().await;
        assert_eq!(reply.text(), expected, "{row}: {host}");
    }
}

#[tokio::test]
async fn the_most_specific_route_wins_whatever_the_order_in_the_file() {
    let gateway = Gateway::start(
        r#"
        sites:
          - routes:
              - respond: { body: anything }
              - match: { path_regex: "^/v[0-9]+/" }
                respond: { body: regex }
              - match: { path_regex: "^/v1/" }
                respond: { body: second regex }
              - match: { path_prefix: /api }
                respond: { body: prefix }
              - match: { path_prefix: /api/users }
                respond: { body: longer prefix }
              - match: { path_prefix: /v2 }
                respond: { body: prefix before regex }
              - match: { path: /api/users/me }
                respond: { body: exact }
              - match: { path: /api/users/me, methods: [POST] }
                respond: { body: exact and method }
              - match: { path: /api/users/me, headers: { x-beta: "1" } }
                respond: { body: exact and header }
              - match: { path: /api/users/me, query: { full: "yes" } }
                respond: { body: exact and query }
        "#,
    )
    .await;
    let client = gateway.client();
    let rows = [
        (client.get("/"), "anything", "nothing else fits"),
        (client.get("/apis"), "anything", "a prefix ends at an element"),
        (client.get("/api"), "prefix", "the prefix itself"),
        (client.get("/api/x"), "prefix", "below it"),
        (client.get("/api/users/7"), "longer prefix", "the longer prefix"),
        (client.get("/v1/x"), "regex", "the first of two expressions"),
        (client.get("/v2/x"), "prefix before regex", "a prefix beats an expression"),
        (client.get("/api/users/me"), "exact", "exact beats prefix"),
        (client.post("/api/users/me", ""), "exact and method", "a method more"),
        (client.get("/api/users/me").header("x-beta", "1"), "exact and header", "a header more"),
        (client.get("/api/users/me?full=yes"), "exact and query", "a query parameter more"),
        (
            client.post("/api/users/me?full=yes", "").header("x-beta", "1"),
            "exact and method",
            "method before header",
        ),
        (
            client.get("/api/users/me?full=yes").header("x-beta", "1"),
            "exact and header",
            "header before query",
        ),
    ];
    for (call, expected, row) in rows {
        assert_eq!(call.send().await.text(), expected, "{row}");
    }
}

#[tokio::test]
async fn what_nobody_takes_is_a_404_that_tells_the_log_why() {
    let gateway = Gateway::start(
        "sites: [{ name: app, hosts: [app.test], routes: [{ match: { path: /here }, respond: { body: here } }] }]",
    )
    .await;
    let rows = [("app.test", "/there"), ("other.test", "/here")];
    for (host, path) in rows {
        let reply = gateway.client().get(path).host(host).send().await;
        reply.assert_status(404).assert_header("content-type", "application/json");
        assert_eq!(reply.json()["error"], "Nothing was found here.", "{host}{path}");
    }
    let log = gateway.stop().await;
    assert_eq!((&log[0]["reason"], &log[0]["site"]), (&"no_route".into(), &"app".into()));
    assert_eq!((&log[1]["reason"], &log[1]["site"]), (&"no_site".into(), &"_none".into()));
}

#[tokio::test]
async fn a_method_that_no_route_of_the_path_takes_is_a_405_that_allows_the_others() {
    let gateway = Gateway::start(
        "
        sites:
          - routes:
              - match: { path: /thing, methods: [GET] }
                respond: { body: got }
              - match: { path: /thing, methods: [PUT, DELETE] }
                respond: { body: put }
        ",
    )
    .await;
    let reply = gateway.client().post("/thing", "x").send().await;
    reply.assert_status(405).assert_header("allow", "GET, HEAD, PUT, DELETE");
    assert_eq!(reply.json()["error"], "This method is not allowed here.");
    gateway.client().request(Method::DELETE, "/thing").send().await.assert_status(200).assert_text("put");
    gateway.client().post("/other", "x").send().await.assert_status(404).assert_no_header("allow");
    assert_eq!(gateway.stop().await[0]["reason"], "method_not_allowed");
}

#[tokio::test]
async fn head_is_taken_by_a_route_for_get_and_has_no_body() {
    let gateway = Gateway::start(
        "sites: [{ routes: [{ match: { path: /, methods: [GET] }, respond: { body: hello } }] }]",
    )
    .await;
    let answer = ask(&gateway, "HEAD / HTTP/1.1\r\nHost: a").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        head.to_lowercase().contains("\r\ncontent-length: 5"),
        "the length that GET would have: {answer}"
    );
    assert_eq!(body, "");
}

#[tokio::test]
async fn the_origin_receives_the_path_that_was_matched() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    let rows = [
        ("/a/../b", "/b", "dot segments"),
        ("/a/./b/.", "/a/b/", "single dots"),
        ("/../../x", "/x", "not above the root"),
        ("/a/%2e%2e/b", "/b", "encoded dot segments"),
        ("//a///b", "/a/b", "runs of slashes"),
        ("/%41%7e", "/A~", "unreserved characters"),
        ("/a%2Fb", "/a%2Fb", "an encoded slash is no slash"),
        ("/a%2fb", "/a%2Fb", "upper-case digits"),
        ("/a%20b", "/a%20b", "other escapes stay"),
        ("/a/?x=%41//../b", "/a/?x=%41//../b", "the query is nobody's business"),
        ("/a?", "/a?", "an empty query"),
    ];
    for (sent, expected, row) in rows {
        let answer = ask(&gateway, &format!("GET {sent} HTTP/1.1\r\nHost: app.test")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{row}: {answer}");
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.uri.to_string(), expected, "{row}: {sent}");
    }
}

#[tokio::test]
async fn a_detour_does_not_lead_past_a_route() {
    let gateway = Gateway::start(
        "
        sites:
          - routes:
              - match: { path_prefix: /admin }
                respond: { status: 403, body: no }
              - respond: { body: public }
        ",
    )
    .await;
    for path in ["/admin", "//admin", "/%61dmin", "/x/../admin", "/x/%2E%2e/admin/y", "/./admin"] {
        let answer = ask(&gateway, &format!("GET {path} HTTP/1.1\r\nHost: a")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_malformed_path_or_host_is_a_400_with_a_reason() {
    let origin = Origin::fixed("hello").await;
    let gateway = in_front_of(origin.address()).await;
    let rows = [
        ("/%", "a.test", "invalid_path"),
        ("/%zz", "a.test", "invalid_path"),
        ("/a%4", "a.test", "invalid_path"),
        ("/a%00b", "a.test", "invalid_path"),
        ("/", "a b", "invalid_host"),
        ("/", "a.test:99999", "invalid_host"),
        ("/", "a..test", "invalid_host"),
        ("/", "a.test/x", "invalid_host"),
    ];
    for (path, host, _) in rows {
        let answer = ask(&gateway, &format!("GET {path} HTTP/1.1\r\nHost: {host}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{path} at {host}: {answer}");
        assert!(
            answer.contains("\r\n\r\n{\"error\":\"The request's "),
            "{path} at {host} says why: {answer}"
        );
    }
    assert_eq!(origin.hits(), 0, "the origin is not bothered");
    let log = gateway.stop().await;
    for (line, (path, host, reason)) in log.iter().zip(rows) {
        assert_eq!(line["reason"], reason, "{path} at {host}");
    }
}

/// RFC 9112, 3.2.2: a server takes absolute-form targets too, and their host is the request's host.
#[tokio::test]
async fn an_absolute_target_is_taken_apart() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    let client = Client::connect(gateway.address()).await;
    client.get("http://app.test/a/../b?c=d").host("app.test").send().await.assert_status(200);
    let seen = origin.requests().pop().unwrap();
    assert_eq!(seen.uri, "/b?c=d", "only the path goes on");
    assert_eq!(seen.header_values("host"), ["app.test"]);
}

#[tokio::test]
async fn an_absolute_target_and_a_host_header_cannot_name_two_sites() {
    let gateway = Gateway::start(
        "
        sites:
          - hosts: [public.test]
            routes: [{ respond: { body: public } }]
          - hosts: [inner.test]
            routes: [{ respond: { body: inner } }]
        ",
    )
    .await;
    let reply: Reply = gateway.client().get("http://inner.test/").host("public.test").send().await;
    reply.assert_status(400);
    gateway.client().get("http://inner.test/").host("inner.test").send().await.assert_text("inner");
}

/// RFC 9110, 9.3.7: a question about the server as a whole, which a proxy passes on as it is.
#[tokio::test]
async fn an_asterisk_is_passed_on() {
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = in_front_of(origin.address()).await;
    let answer = ask(&gateway, "OPTIONS * HTTP/1.1\r\nHost: a").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(origin.requests()[0].uri, "*");
}
