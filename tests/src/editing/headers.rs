//! The `headers` filter with placeholders, patterns and cookies.

use headwall_testkit::{Fixed, Origin, Wire};

use super::{refusal, with};

#[tokio::test]
async fn placeholders_tell_the_upstream_of_the_request() {
    let origin = Origin::fixed("hello").await;
    let filters = r#"[{ headers: { request: {
        set: { X-Told: "{client.ip} {method} {scheme} {host} {path} {query} {site}/{route}", X-Fixed: "a {{b}}" },
        add: { X-Copy: "<{http.header.x-mine}>" } } } }]"#;
    let gateway = with(origin.address(), filters).await;
    let reply =
        gateway.client().get("/a/../b%20c?d=e").host("app.test:81").header("x-mine", "mine").send().await;
    let seen = &origin.requests()[0];
    assert_eq!(seen.header("x-told"), Some("127.0.0.1 GET http app.test /b%20c d=e site/route"));
    assert_eq!((seen.header("x-fixed"), seen.header("x-copy")), (Some("a {b}"), Some("<mine>")));
    reply.assert_status(200);
}

#[tokio::test]
async fn a_response_can_be_told_of_its_request() {
    let origin = Origin::builder().otherwise(Fixed::status(418).body("short and stout")).start().await;
    let filters = r#"[
        { headers: { response: { set: { X-Told: "{status} {uri} {http.header.x-mine} {request.id}" } } } },
        { headers: { response: { set: { X-Also: "{http.header.x-other}" } } } },
    ]"#;
    let gateway = with(origin.address(), filters).await;
    let call = gateway.client().get("/a?b=c").header("x-mine", "mine").header("x-other", "other");
    let reply = call.send().await;
    let id = origin.requests()[0].header("x-request-id").unwrap().to_owned();
    reply.assert_header("x-told", &format!("418 /a?b=c mine {id}")).assert_header("x-also", "other");
}

#[tokio::test]
async fn what_a_pattern_finds_is_exchanged() {
    let moved = Fixed::status(302)
        .header("location", "http://inside:8080/login?next=/a")
        .header("link", "</a>, </b>");
    let origin = Origin::builder().otherwise(moved).start().await;
    let filters = r#"[{ headers: {
        request: { replace: [{ header: Authorization, pattern: "^Token (.+)$", with: "Bearer {1}" }] },
        response: { replace: [
            { header: Location, pattern: "^http://inside:8080", with: "{scheme}://{host}" },
            { header: Location, pattern: "next=", with: "back=" },
            { header: Link, pattern: "</([a-z])>", with: "</x/{1}>" },
            { header: X-None, pattern: ".*", with: "made up" },
        ] } } }]"#;
    let gateway = with(origin.address(), filters).await;
    let reply = gateway.client().get("/").host("app.test").header("authorization", "Token abc").send().await;
    assert_eq!(origin.requests()[0].header("authorization"), Some("Bearer abc"));
    reply.assert_header("location", "http://app.test/login?back=/a").assert_header("link", "</x/a>, </x/b>");
    reply.assert_no_header("x-none");
}

#[tokio::test]
async fn cookies_get_their_flags() {
    let cookies =
        Fixed::status(200).header("set-cookie", "session=1; Path=/").header("set-cookie", "theme=dark");
    let origin = Origin::builder().otherwise(cookies).start().await;
    let filters = r#"[{ headers: { cookies: [
        { secure: true, same_site: lax },
        { name: "^session$", http_only: true, path: /app },
    ] } }]"#;
    let gateway = with(origin.address(), filters).await;
    let reply = gateway.client().get("/").send().await;
    let cookies: Vec<_> =
        reply.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let session = "session=1; Secure; SameSite=Lax; Path=/app; HttpOnly";
    assert_eq!(cookies, [session, "theme=dark; Secure; SameSite=Lax"]);
}

/// Nothing that a client sends can end a header and begin another one.
#[tokio::test]
async fn a_client_cannot_add_headers_to_a_response() {
    let origin = Origin::fixed("hello").await;
    let filters = r#"[{ headers: { response: { set: { X-Path: "{path}", X-Query: "{query}" } } } }]"#;
    let gateway = with(origin.address(), filters).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write("GET /%0d%0aset-cookie:a=b?%0d%0ax-b:c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let answer = wire.read_to_end().await.to_lowercase();
    assert!(answer.contains("x-query: %0d%0ax-b:c"), "{answer}");
    assert!(!answer.contains("\r\nset-cookie") && !answer.contains("\r\nx-b"), "{answer}");
}

#[tokio::test]
async fn slips_are_told_with_their_place() {
    for (filters, expected) in [
        (
            r#"[{ headers: { request: { set: { X-A: "{clinet.ip}" } } } }]"#,
            "there is no `{clinet.ip}`; known are",
        ),
        (
            r#"[{ headers: { request: { set: { X-A: "{status}" } } } }]"#,
            "has a placeholder that is not known here",
        ),
        (
            r#"[{ headers: { response: { set: { X-A: "{1}" } } } }]"#,
            "has a placeholder that is not known here",
        ),
        (r#"[{ headers: { request: { set: { X-A: "a{" } } } }]"#, "has a brace that stands alone"),
        (r#"[{ headers: { response: { set: { Content-Length: "1" } } } }]"#, "frames the message"),
        (
            r#"[{ headers: { response: { replace: [{ header: A, pattern: "(", with: "" }] } } }]"#,
            "unclosed group",
        ),
        (r#"[{ headers: { cookies: [{ same_site: none, secure: false }] } }]"#, "needs `secure: true`"),
        (r#"[{ headers: { cookies: [{ path: "a;b" }] } }]"#, "without `;`"),
    ] {
        let error = refusal(filters).await;
        assert!(error.contains(expected) && error.contains("--> test.yaml:"), "{filters}: {error}");
    }
}
