//! `forward_auth`: another server's word.

use headwall_testkit::{Gateway, Origin, OriginBuilder, Response, Seen, deaf_address};

use super::{decisions, guarded};
use crate::metrics::metric_is;

/// Lets whoever has the ticket pass, and sends everybody else to log in.
async fn auth_server() -> Origin {
    verifying().start().await
}

fn verifying() -> OriginBuilder {
    Origin::builder().route("/verify", |seen: Seen| async move {
        match seen.header("x-ticket") {
            Some("good") => Response::new(204).header("remote-user", "ada").header("remote-groups", "staff"),
            Some("none") => Response::new(403).body("text/plain", "not you"),
            Some("broken") => Response::new(500),
            Some("odd") => Response::new(404),
            _ => Response::new(302)
                .header("location", "https://login.example.com/?back=1")
                .header("set-cookie", "a=1")
                .header("set-cookie", "b=2")
                .header("connection", "close"),
        }
    })
}

const SETTINGS: &str = "response_headers: [Remote-User, Remote-Groups], user_header: Remote-User";

async fn start(auth: &Origin, by_url: bool) -> (Origin, Gateway) {
    let to = if by_url { "url: \"${AUTH}/verify?app=1\"" } else { "upstream: auth, path: \"/verify?app=1\"" };
    let app = Origin::builder().otherwise("hello").start().await;
    let gateway = Gateway::config(&format!(
        "
        sites:
          - name: app
            routes:
              - name: door
                filters: [{{ forward_auth: {{ to: {{ {to} }}, timeout: 2s, {SETTINGS} }} }}]
                api: {{ upstream: app }}
        upstreams: {{ app: {{ servers: [\"${{APP}}\"] }}, auth: {{ servers: [\"${{AUTH_ADDRESS}}\"] }} }}
        "
    ))
    .variable("APP", app.address())
    .variable("AUTH", auth.url())
    .variable("AUTH_ADDRESS", auth.address())
    .start()
    .await;
    (app, gateway)
}

#[tokio::test]
async fn the_server_decides_and_is_told_what_it_decides_on() {
    for by_url in [false, true] {
        let auth = auth_server().await;
        let (app, gateway) = start(&auth, by_url).await;
        let client = gateway.client();
        let call = client.post("/orders/../basket?a=b", "a body").host("shop.example.com");
        let call =
            call.header("x-ticket", "good").header("remote-user", "root").header("remote-groups", "admin");
        let call = call.header("x-forwarded-for", "6.6.6.6").header("x-forwarded-uri", "/public");
        let call = call.header("x-forwarded-port", "1").header("x-real-ip", "6.6.6.6");
        call.header("connection", "remote-user, remote-groups")
            .header("cookie", "session=1")
            .send()
            .await
            .assert_status(200)
            .assert_text("hello");

        let asked = &auth.requests()[0];
        assert_eq!((asked.method.as_str(), asked.uri.to_string().as_str()), ("GET", "/verify?app=1"));
        let rows = [
            ("x-forwarded-method", Some("POST")),
            ("x-forwarded-uri", Some("/basket?a=b")),
            ("x-forwarded-host", Some("shop.example.com")),
            ("x-forwarded-proto", Some("http")),
            ("x-forwarded-for", Some("127.0.0.1")),
            ("x-real-ip", Some("127.0.0.1")),
            ("x-original-uri", Some("/basket?a=b")),
            ("x-original-method", Some("POST")),
            ("x-forwarded-port", None),
            ("cookie", Some("session=1")),
            ("content-length", None),
            ("content-type", None),
        ];
        for (name, expected) in rows {
            assert_eq!(asked.header(name), expected, "{name}, by URL: {by_url}");
        }
        assert_eq!(asked.text(), "", "the body is not the server's business");

        let seen = &app.requests()[0];
        assert_eq!(seen.header_values("remote-user"), ["ada"], "by URL: {by_url}");
        assert_eq!(seen.header_values("remote-groups"), ["staff"]);
        assert_eq!(seen.text(), "a body");
        metric_is(&gateway, &decisions("forward_auth", "passed"), 1.0).await;
        assert_eq!(gateway.stop().await[0]["user"], "ada");
    }
}

#[tokio::test]
async fn a_refusal_goes_to_the_client_as_it_is() {
    let auth = auth_server().await;
    let (app, gateway) = start(&auth, false).await;
    let reply = gateway.client().get("/").send().await;
    reply.assert_status(302).assert_header("location", "https://login.example.com/?back=1");
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    gateway
        .client()
        .get("/")
        .header("x-ticket", "none")
        .send()
        .await
        .assert_status(403)
        .assert_text("not you");
    assert_eq!(app.hits(), 0);
    let log = gateway.stop().await;
    assert_eq!((&log[0]["reason"], &log[1]["reason"]), (&"auth_refused".into(), &"auth_refused".into()));
}

#[tokio::test]
async fn whatever_else_comes_back_lets_nobody_in() {
    for by_url in [false, true] {
        let auth = auth_server().await;
        let (app, gateway) = start(&auth, by_url).await;
        for ticket in ["broken", "odd"] {
            let reply = gateway.client().get("/").header("x-ticket", ticket).send().await;
            assert_eq!(reply.status.as_u16(), 503, "{ticket}, by URL: {by_url}");
        }
        gateway.client().get("/").header("x-ticket", "good").send().await.assert_status(200);
        auth.stop().await;
        for _ in 0..2 {
            let reply = gateway.client().get("/").header("x-ticket", "good").send().await;
            assert_eq!(reply.status.as_u16(), 503, "nobody answers, by URL: {by_url}");
        }
        assert_eq!(app.hits(), 1);
        // It comes back, and what was kept of the old connections does no harm.
        let _back = verifying().start_on(auth.address()).await;
        gateway.client().get("/").header("x-ticket", "good").send().await.assert_status(200);
        metric_is(&gateway, &decisions("forward_auth", "unavailable"), 4.0).await;
        assert_eq!(gateway.stop().await[0]["reason"], "auth_unavailable");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_lets_nobody_in() {
    let (app, gateway) =
        guarded("[{ forward_auth: { to: { url: \"http://${AUTH}\" }, timeout: 50ms } }]").await;
    let gateway = gateway.variable("AUTH", deaf_address()).start().await;
    gateway.client().get("/").send().await.assert_status(503);
    assert_eq!(app.hits(), 0);
}

#[tokio::test]
async fn a_server_that_speaks_http2_is_asked_in_it() {
    let auth = verifying().http2().start().await;
    let app = Origin::fixed("hello").await;
    let gateway = Gateway::start(&format!(
        "
        sites:
          - routes:
              - filters: [{{ forward_auth: {{ to: {{ upstream: auth, path: /verify }}, {SETTINGS} }} }}]
                api: {{ upstream: app }}
        upstreams:
          app: {{ servers: [\"{}\"] }}
          auth: {{ servers: [\"{}\"], protocol: http2 }}
        ",
        app.address(),
        auth.address()
    ))
    .await;
    for _ in 0..2 {
        gateway.client().get("/").header("x-ticket", "good").send().await.assert_status(200);
    }
    gateway.client().get("/").header("x-ticket", "none").send().await.assert_status(403);
    assert_eq!((auth.hits(), auth.connections(), app.hits()), (3, 1, 2));
    assert_eq!(auth.requests()[0].version, http::Version::HTTP_2);
}
