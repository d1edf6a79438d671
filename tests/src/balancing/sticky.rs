//! Clients that stay with their server.

use headwall_testkit::{Authority, Gate, Gateway, Origin, Reply, WebSocketEcho};

use super::{in_front_of, server, upstream};

const TWO: &str = "\"${A}\", \"${B}\"";

/// The cookie that an answer brings, without its attributes.
fn cookie(reply: &Reply) -> Option<String> {
    reply.header("set-cookie").map(|line| line.split(';').next().unwrap_or_default().to_owned())
}

/// Who answers a client with this cookie, and the cookie that the answer brings.
async fn ask(gateway: &Gateway, with: &str) -> (String, Option<String>) {
    let reply = gateway.client().get("/").header("cookie", with).send().await;
    (reply.assert_status(200).text(), cookie(&reply))
}

#[tokio::test]
async fn a_client_stays_until_its_server_is_gone() {
    let gate = Gate::closed();
    let (a, b) = (server("a", &gate).await, server("b", &gate).await);
    let gateway = in_front_of(&[&a, &b], TWO, "sticky: {}").start().await;
    let first = gateway.client().get("/").send().await;
    let line = first.header("set-cookie").unwrap();
    assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{line}");
    let own = cookie(&first).unwrap();
    let value = own.strip_prefix("headwall-server=").unwrap();
    assert_eq!(value.len(), 22, "a digest: {value}");
    assert_eq!(first.text(), "a");
    for _ in 0..6 {
        let others = format!("theme=dark; {own}; lang=de");
        assert_eq!(ask(&gateway, &others).await, ("a".to_owned(), None), "and is not told again");
    }
    let (_, made_up) = ask(&gateway, "headwall-server=AAAAAAAAAAAAAAAAAAAAAA").await;
    assert!(made_up.is_some(), "a cookie that nobody gave out is none");

    a.stop().await;
    let (server, new) = ask(&gateway, &own).await;
    assert_eq!(server, "b");
    let new = new.unwrap();
    assert_ne!(new, own);
    assert_eq!(ask(&gateway, &new).await, ("b".to_owned(), None));
}

#[tokio::test]
async fn the_app_does_not_see_the_cookie() {
    let origin = Origin::fixed("hello").await;
    let gateway = in_front_of(&[&origin], "\"${A}\"", "sticky: { cookie: at }").start().await;
    let rows = [
        (None, None, "the first request"),
        (Some("{own}"), None, "nothing is left"),
        (Some("theme=dark; {own}; at=other; lang=de"), Some("theme=dark; lang=de"), "the app's own stay"),
        (Some("at=AAAAAAAAAAAAAAAAAAAAAA; that=1"), Some("that=1"), "one that nobody gave out"),
    ];
    let own = cookie(&gateway.client().get("/").send().await).unwrap();
    for (sent, expected, row) in rows {
        let call = gateway.client().get("/");
        let call =
            sent.into_iter().fold(call, |call, sent| call.header("cookie", &sent.replace("{own}", &own)));
        call.send().await.assert_status(200);
        assert_eq!(origin.requests().last().unwrap().header("cookie"), expected, "{row}");
    }
}

#[tokio::test]
async fn a_reload_and_another_policy_leave_clients_where_they_are() {
    let gate = Gate::closed();
    let (a, b) = (server("a", &gate).await, server("b", &gate).await);
    let mut gateway = in_front_of(&[&a, &b], TWO, "sticky: {}").start().await;
    let own = cookie(&gateway.client().get("/").send().await).unwrap();
    let servers = "{ address: \"${A}\", weight: 2 }, \"${B}\"";
    gateway.reload(&upstream(servers, "sticky: { max_age: 1h }, policy: least_requests")).await.unwrap();
    for _ in 0..6 {
        assert_eq!(ask(&gateway, &own).await, ("a".to_owned(), None));
    }
}

#[tokio::test]
async fn processes_with_one_secret_know_each_others_cookies() {
    let gate = Gate::closed();
    let (a, b) = (server("a", &gate).await, server("b", &gate).await);
    let start = async |settings: &str| in_front_of(&[&a, &b], TWO, settings).start().await;
    let shared = "sticky: { secret: 0123456789abcdef, cookie: at }";
    let (one, two, other) = (start(shared).await, start(shared).await, start("sticky: { cookie: at }").await);
    let own = cookie(&one.client().get("/").send().await).unwrap();
    assert!(own.starts_with("at="), "{own}");
    assert_eq!(ask(&two, &own).await, ("a".to_owned(), None));
    assert!(ask(&other, &own).await.1.is_some(), "another key");
}

#[tokio::test]
async fn the_cookie_is_as_the_settings_say() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue(&["localhost"]).write(dir.path());
    let origin = Origin::fixed("hello").await;
    let rows = [
        ("{}", "Path=/; HttpOnly; SameSite=Lax", "Path=/; Secure; HttpOnly; SameSite=Lax"),
        (
            "{ max_age: 2h, path: /app, domain: example.com, http_only: false, same_site: strict }",
            "Path=/app; Max-Age=7200; Domain=example.com; SameSite=Strict",
            "Path=/app; Max-Age=7200; Domain=example.com; Secure; SameSite=Strict",
        ),
        (
            "{ secure: true, same_site: none }",
            "Path=/; Secure; HttpOnly; SameSite=None",
            "Path=/; Secure; HttpOnly; SameSite=None",
        ),
    ];
    for (settings, plain, encrypted) in rows {
        let yaml = format!(
            "
            listeners: [{{ address: \"127.0.0.1:0\" }}, {{ address: \"127.0.0.1:0\", tls: true }}]
            sites:
              - hosts: [localhost]
                tls: {{ certificate: \"${{CERT}}\", key: \"${{KEY}}\", redirect: false }}
                routes: [{{ api: {{ upstream: app }} }}]
            upstreams: {{ app: {{ servers: [\"${{APP}}\"], sticky: {settings} }} }}
            "
        );
        let gateway = Gateway::config(&yaml)
            .variable("APP", origin.address())
            .variable("CERT", certificate.display())
            .variable("KEY", key.display())
            .start()
            .await;
        let attributes = |reply: &Reply| {
            reply.header("set-cookie").and_then(|line| line.split_once("; ")).map(|(_, rest)| rest.to_owned())
        };
        let over_http = gateway.client().host("localhost").get("/").send().await;
        assert_eq!(attributes(&over_http).as_deref(), Some(plain), "{settings}");
        let over_tls = gateway
            .client_at(1)
            .host("localhost")
            .tls(&authority)
            .server_name("localhost")
            .get("/")
            .send()
            .await;
        assert_eq!(attributes(&over_tls).as_deref(), Some(encrypted), "{settings}");
    }
}

#[tokio::test]
async fn an_answer_of_our_own_brings_no_cookie() {
    let gate = Gate::closed();
    let a = server("a", &gate).await;
    a.stop().await;
    let gateway = in_front_of(&[&a], "\"${A}\"", "sticky: {}").start().await;
    let reply = gateway.client().get("/").send().await;
    reply.assert_status(502).assert_no_header("set-cookie");
}

#[tokio::test]
async fn a_websocket_is_sticky_too() {
    let origin = Origin::builder().route("/ws", WebSocketEcho::new()).start().await;
    let gateway = Gateway::config(
        "
        sites: [{ routes: [{ websocket: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${APP}\"], sticky: {} } }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let mut socket = gateway.client().websocket("/ws").open().await;
    assert!(socket.header("set-cookie").is_some_and(|line| line.starts_with("headwall-server=")));
    socket.close(1000, "").await;
}
