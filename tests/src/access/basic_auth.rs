//! `basic_auth`: names and passwords.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwall_testkit::{Gateway, GatewayBuilder, Origin};

use super::{decisions, guarded};
use crate::metrics::metric_is;

/// The hash of `adas password`, as `htpasswd -B -C 4` has written it.
const ADA: &str = "$2y$04$8rPayVvX8NMVUSAsMsuvV.Uz4eY0GfE4pJsGWaURjsIqTdtlZgArm";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn start(settings: &str) -> (Origin, GatewayBuilder) {
    let (app, gateway) = guarded(&format!("[{{ basic_auth: {{ {settings} }} }}]")).await;
    (app, gateway.variable("ADA", ADA))
}

#[tokio::test]
async fn a_right_password_comes_in_and_the_application_hears_the_name_alone() {
    let (app, gateway) = start("users: { ada: \"${ADA}\" }, user_header: X-User").await;
    let gateway = gateway.start().await;
    let call = || gateway.client().get("/").header("x-user", "root");
    for _ in 0..2 {
        let reply = call().header("authorization", &basic("ada", "adas password")).send().await;
        reply.assert_status(200).assert_text("hello");
    }
    for seen in app.requests() {
        assert_eq!(seen.header_values("x-user"), ["ada"], "what the client has sent is replaced");
        assert_eq!(seen.header("authorization"), None, "the password ends here");
    }
    metric_is(&gateway, &decisions("basic_auth", "passed"), 2.0).await;
    let log = gateway.stop().await;
    assert_eq!(log[0]["user"], "ada");
    assert!(!format!("{log:?}").contains("password"), "{log:?}");
}

#[tokio::test]
async fn without_one_the_client_is_asked_and_the_application_hears_nothing() {
    let (app, gateway) = start("users: { ada: \"${ADA}\" }, realm: Staff").await;
    let gateway = gateway.start().await;
    let rows = [
        (None, "credentials_missing", "nothing"),
        (Some(basic("ada", "wrong")), "credentials_wrong", "a wrong password"),
        (Some(basic("eve", "adas password")), "credentials_wrong", "somebody unknown"),
        (Some(basic("", "")), "credentials_wrong", "nobody"),
        (Some(basic("Ada", "adas password")), "credentials_wrong", "names differ by case"),
        (Some(basic("ada", "adas password ")), "credentials_wrong", "a space more"),
        (Some("Basic %%%".to_owned()), "credentials_wrong", "no base64"),
        (Some("Bearer abc".to_owned()), "credentials_wrong", "another scheme"),
    ];
    for (value, _, row) in &rows {
        let call = gateway.client().get("/");
        let call = value.iter().fold(call, |call, value| call.header("authorization", value));
        let refused = call.send().await;
        assert_eq!(refused.status.as_u16(), 401, "{row}");
        refused.assert_header("www-authenticate", "Basic realm=\"Staff\", charset=\"UTF-8\"");
    }
    // Two of them are none: another reader might believe the other one.
    let both = gateway.client().get("/").header("authorization", &basic("eve", "x"));
    both.header("authorization", &basic("ada", "adas password")).send().await.assert_status(401);
    assert_eq!(app.hits(), 0);
    let log = gateway.stop().await;
    for (line, (_, reason, row)) in log.iter().zip(&rows) {
        assert_eq!(&line["reason"], reason, "{row}");
        assert_eq!(line.get("user"), None, "{row}: nobody has been verified");
    }
}

#[tokio::test]
async fn a_file_is_read_again_at_a_reload_and_what_was_right_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    std::fs::write(&path, format!("ada:{ADA}\n")).unwrap();
    let app = Origin::fixed("hello").await;
    let yaml = format!(
        "
        sites:
          - routes:
              - filters: [{{ basic_auth: {{ htpasswd: {} }} }}]
                api: {{ upstream: app }}
        upstreams: {{ app: {{ servers: [\"{}\"] }} }}
        ",
        path.display(),
        app.address()
    );
    let mut gateway = Gateway::start(&yaml).await;
    let credentials = basic("ada", "adas password");
    let call = |gateway: &Gateway| gateway.client().get("/").header("authorization", &credentials);
    call(&gateway).send().await.assert_status(200);
    std::fs::write(&path, format!("bob:{ADA}\n")).unwrap();
    call(&gateway).send().await.assert_status(200);
    gateway.reload(&yaml).await.unwrap();
    call(&gateway).send().await.assert_status(401);
    let bob = basic("bob", "adas password");
    gateway.client().get("/").header("authorization", &bob).send().await.assert_status(200);

    std::fs::write(&path, "bob:secret\n").unwrap();
    let report = gateway.reload(&yaml).await.unwrap_err().to_string();
    assert!(report.contains("htpasswd:1: user `bob`: expected a bcrypt"), "{report}");
    assert!(!report.contains("secret"), "{report}");
    gateway.client().get("/").header("authorization", &bob).send().await.assert_status(200);
}

#[tokio::test]
async fn a_page_that_asks_for_much_at_once_comes_in() {
    let (app, gateway) = start("users: { ada: \"${ADA}\" }, keep: true").await;
    let gateway = gateway.start().await;
    let calls = (0..20)
        .map(|_| gateway.client().get("/").header("authorization", &basic("ada", "adas password")).send());
    for reply in futures_util::future::join_all(calls).await {
        reply.assert_status(200);
    }
    assert!(app.requests().iter().all(|seen| seen.header("authorization").is_some()), "kept, as asked");
}
