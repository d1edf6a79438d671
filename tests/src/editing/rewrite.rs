//! Rewrites, canonical addresses and redirects.

use headwall_testkit::{Gateway, Origin, Wire};

use super::{refusal, with};

#[tokio::test]
async fn the_upstream_is_asked_for_what_the_rule_says() {
    let origin = Origin::fixed("hello").await;
    let filters = r#"[{ rewrite: {
        rules: [
            { path: "^/user/([0-9]+)$", to: "/users/{1}" },
            { path: "^/search/(.*)$", to: "/find?q={1}&{query}" },
            { path: "^/old(/.*)?$", to: "/new{1}" },
            { path: "^/by-header$", to: "/tenants/{http.header.x-tenant}/" },
        ],
        query: { remove: [utm_source], set: { from: "{client.ip}" } },
        host: "{host}.internal:8080" } }]"#;
    let gateway = with(origin.address(), filters).await;
    let rows = [
        ("/user/7?a=b", "/users/7?a=b&from=127.0.0.1"),
        ("/user/x", "/user/x?from=127.0.0.1"),
        ("/search/a%20b?page=2&utm_source=x", "/find?q=a%20b&page=2&from=127.0.0.1"),
        ("/old", "/new?from=127.0.0.1"),
        ("/old/a/../b?utm%5Fsource=1&from=me", "/new/b?from=127.0.0.1"),
        ("/by-header", "/tenants/a%20%3Fb%23/?from=127.0.0.1"),
    ];
    for (asked, expected) in rows {
        let call = gateway.client().get(asked).host("app.test").header("x-tenant", "a ?b#");
        call.send().await.assert_status(200);
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.uri.to_string(), expected, "{asked}");
        assert_eq!(seen.host(), Some("app.test.internal:8080"), "{asked}");
        assert_eq!(seen.header("x-forwarded-host"), Some("app.test"), "the client's own word stays known");
    }
}

#[tokio::test]
async fn nobody_climbs_out_of_what_a_rule_puts_in_front() {
    let origin = Origin::fixed("hello").await;
    let filters = r#"[{ rewrite: { rules: [
        { path: "^/files/(.*)$", to: "/public/{1}" },
        { path: "^/header$", to: "/public/{http.header.x-file}" },
        { path: "^/dot(.*)$", to: "/public/.{1}" },
    ] } }]"#;
    let gateway = with(origin.address(), filters).await;
    let client = gateway.client();
    for file in ["../secret", "a/../../secret", "%2e%2e/secret", "..", "./x", "\\..\\..", "//..//"] {
        let reply = client.get("/header").header("x-file", file).send().await;
        for seen in origin.requests() {
            assert!(seen.path().starts_with("/public/"), "{file}: {}", seen.path());
        }
        assert!([200, 400].contains(&reply.status.as_u16()), "{file}");
    }
    client.get("/header").header("x-file", "../secret").send().await.assert_status(400);
    client.get("/dot./secret").send().await.assert_status(400);
    for target in ["/files/../secret", "/files/%2e%2e/secret", "/files/a/..%2f..%2fsecret"] {
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        wire.read_to_end().await;
        let seen = origin.requests().pop().unwrap();
        assert!(seen.path().starts_with("/public/") || seen.path() == "/secret", "{target}: {}", seen.path());
    }
}

#[tokio::test]
async fn each_page_has_one_address() {
    let origin = Origin::fixed("hello").await;
    let gateway = with(origin.address(), "[{ canonical: { www: remove, trailing_slash: remove } }]").await;
    let ask = async |host: &str, path: &str| {
        let reply = gateway.client().get(path).host(host).send().await;
        (reply.status.as_u16(), reply.header("location").map(str::to_owned))
    };
    for (host, path, expected) in [
        ("app.test", "/a/?b=c", "/a?b=c"),
        ("www.app.test", "/a", "http://app.test/a"),
        ("www.app.test:8080", "/a/", "http://app.test:8080/a"),
        ("www.app.test", "//evil.test/", "http://app.test/evil.test"),
        ("app.test", "/a\\b/", "/a%5Cb"),
    ] {
        assert_eq!(ask(host, path).await, (308, Some(expected.to_owned())), "{host}{path}");
    }
    assert_eq!(ask("app.test", "/a").await, (200, None));
    assert_eq!(ask("app.test", "/").await, (200, None));
}

#[tokio::test]
async fn no_redirect_leads_to_a_host_of_the_clients() {
    let gateway = Gateway::start(
        r#"
        sites:
          - routes:
              - match: { path_prefix: /local }
                redirect: { to: "/{http.header.x-next}" }
              - match: { path_prefix: /same }
                redirect: { to: "{scheme}://{host}{uri}" }
              - redirect: { to: "{uri}", status: 302 }
        "#,
    )
    .await;
    let client = gateway.client();
    for next in ["/evil.test", "//evil.test", "\\evil.test", "/\\evil.test"] {
        let reply = client.get("/local").header("x-next", next).send().await;
        let location = reply.header("location").unwrap();
        assert!(location.starts_with('/') && !location.starts_with("//"), "{next}: {location}");
        assert!(!location.contains('\\'), "{next}: {location}");
    }
    for path in ["//evil.test/", "/\\evil.test", "/%5cevil.test"] {
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        let answer = wire.read_to_end().await.to_lowercase();
        let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        assert!(!location.starts_with("//") && !location.contains('\\'), "{path}: {location}");
    }
    let reply = client.get("/same/a?b").host("app.test:81").send().await;
    reply.assert_status(308).assert_header("location", "http://app.test/same/a?b");
    let head = client.head("/same/a?b").host("app.test:81").send().await;
    head.assert_status(308).assert_header("location", "http://app.test/same/a?b");
}

#[tokio::test]
async fn slips_are_told_with_their_place() {
    for (filters, expected) in [
        (r#"[{ rewrite: { rules: [{ path: "a(", to: "/" }] } }]"#, "unclosed group"),
        (r#"[{ rewrite: { rules: [{ path: "a", to: "b" }] } }]"#, "begins with `/` or {path}"),
        (r#"[{ rewrite: { rules: [{ path: "a", to: "/{hots}" }] } }]"#, "there is no `{hots}`"),
        (r#"[{ rewrite: { host: "a b" } }]"#, "expected a host"),
        (r#"[{ canonical: { www: add, host: a.test } }]"#, "`host` says already"),
        (r#"[{ canonical: { status: 303 } }]"#, "expected 301, 302, 307 or 308"),
    ] {
        let error = refusal(filters).await;
        assert!(error.contains(expected) && error.contains("--> test.yaml:"), "{filters}: {error}");
    }
    let error = Gateway::config("sites: [{ routes: [{ redirect: { to: \"https://{http.header.x}/\" } }] }]");
    assert!(error.try_start().await.unwrap_err().contains("so that no client can choose it"));
}
