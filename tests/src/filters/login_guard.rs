//! `login_guard`: guessing is stopped, and people are let in.

mod shared;

use headwall_testkit::{Call, Gate, Gateway, Origin, Reply, Response, Seen, eventually, within};
use serde_json::json;

use super::probe;
use crate::command_line::process::Process;
use crate::metrics::metric_is;

/// An app whose only password is `right`, for whoever it may be.
async fn app() -> Origin {
    Origin::builder().route("/login", login).otherwise("hello").start().await
}

async fn login(seen: Seen) -> Response {
    let is_right = seen.body.windows(5).any(|bytes| bytes == b"right");
    Response::new(if is_right { 200 } else { 401 })
}

fn config(settings: &str) -> String {
    format!(
        "
        client: {{ trusted_proxies: [127.0.0.1] }}
        sites:
          - name: app
            routes:
              - name: login
                match: {{ path: /login }}
                filters: [{{ login_guard: {settings} }}]
                api: {{ upstream: app }}
        upstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}
        "
    )
}

async fn guarded(app: &Origin, settings: &str) -> Gateway {
    Gateway::config(&config(settings)).variable("APP", app.address()).server(probe::server()).start().await
}

/// An attempt of the client at this address.
fn call(gateway: &Gateway, from: &str, account: &str, password: &str) -> Call {
    let call = gateway.client().post("/login", "").header("x-forwarded-for", from);
    call.json(&json!({ "email": account, "password": password }))
}

async fn attempt(gateway: &Gateway, from: &str, account: &str, password: &str) -> Reply {
    call(gateway, from, account, password).send().await
}

async fn fails(gateway: &Gateway, times: usize, from: &str, account: &str) {
    for _ in 0..times {
        attempt(gateway, from, account, "wrong").await.assert_status(401);
    }
}

fn series(metric: &str, label: &str, word: &str) -> String {
    format!("headwall_login_guard_{metric}_total{{{label}=\"{word}\",place=\"app/login\"}}")
}

const BY_ACCOUNT: &str = "{ account: { json: email } }";

#[tokio::test]
async fn the_sixth_wrong_password_is_not_even_looked_at() {
    let app = app().await;
    let gateway = guarded(&app, "{}").await;
    fails(&gateway, 5, "192.0.2.1", "ada").await;
    let refused = attempt(&gateway, "192.0.2.1", "ada", "right").await;
    refused.assert_status(429).assert_header("cache-control", "no-store");
    assert_eq!(refused.json()["error"], "Too many failed attempts to log in. Please try again later.");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((50..=60).contains(&wait), "a minute: {wait}");
    assert_eq!(app.hits(), 5, "the app has not heard of the sixth");
    attempt(&gateway, "192.0.2.2", "ada", "right").await.assert_status(200);
    metric_is(&gateway, &series("attempts", "outcome", "failed"), 5.0).await;
    metric_is(&gateway, &series("attempts", "outcome", "succeeded"), 1.0).await;
    metric_is(&gateway, &series("lockouts", "kind", "address"), 1.0).await;
    metric_is(&gateway, &series("refusals", "kind", "address"), 1.0).await;
    let log = gateway.stop().await;
    assert_eq!((&log[5]["status"], &log[5]["reason"]), (&429.into(), &"login_locked_out".into()));
}

#[tokio::test]
async fn a_lockout_ends() {
    let app = app().await;
    let gateway = guarded(&app, "{ failures: 1, lockout: 1s }").await;
    fails(&gateway, 1, "192.0.2.1", "ada").await;
    attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(429).assert_header("retry-after", "1");
    let again = async || (attempt(&gateway, "192.0.2.1", "ada", "right").await.status == 200).then_some(());
    eventually(5, again).await;
}

#[tokio::test]
async fn who_mistypes_and_then_gets_in_begins_anew() {
    let app = app().await;
    for settings in ["{}", BY_ACCOUNT] {
        let gateway = guarded(&app, settings).await;
        for _ in 0..3 {
            fails(&gateway, 4, "192.0.2.1", "ada").await;
            attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(200);
        }
    }
}

#[tokio::test]
async fn logging_in_oneself_does_not_help_to_guess_at_another() {
    let app = app().await;
    let gateway = guarded(&app, BY_ACCOUNT).await;
    for _ in 0..4 {
        fails(&gateway, 1, "192.0.2.1", "victim").await;
        attempt(&gateway, "192.0.2.1", "mallory", "right").await.assert_status(200);
    }
    fails(&gateway, 1, "192.0.2.1", "victim").await;
    attempt(&gateway, "192.0.2.1", "mallory", "right").await.assert_status(429);
}

#[tokio::test]
async fn an_account_that_many_guess_at_is_open_where_it_is_at_home_and_nowhere_else() {
    let app = app().await;
    let gateway = guarded(&app, BY_ACCOUNT).await;
    attempt(&gateway, "192.0.2.1", "victim@example.com", "right").await.assert_status(200);
    for n in 0..10 {
        fails(&gateway, 1, &format!("198.51.{n}.1"), " Victim@Example.com ").await;
    }
    attempt(&gateway, "203.0.113.1", "victim@example.com", "right").await.assert_status(429);
    attempt(&gateway, "203.0.113.1", "another@example.com", "right").await.assert_status(200);
    attempt(&gateway, "192.0.2.1", "victim@example.com", "wrong").await.assert_status(401);
    attempt(&gateway, "192.0.2.1", "victim@example.com", "right").await.assert_status(200);
    metric_is(&gateway, &series("lockouts", "kind", "account"), 1.0).await;
    metric_is(&gateway, &series("refusals", "kind", "account"), 1.0).await;
}

#[tokio::test]
async fn a_network_that_tries_many_accounts_is_seen() {
    let app = app().await;
    let gateway = guarded(&app, "{ account: { json: email }, spread: { accounts: 4 } }").await;
    for n in 0..4 {
        fails(&gateway, 1, &format!("203.0.113.{n}"), &format!("account{n}")).await;
    }
    attempt(&gateway, "203.0.113.99", "account99", "right").await.assert_status(429);
    attempt(&gateway, "203.0.114.99", "account99", "right").await.assert_status(200);
    metric_is(&gateway, &series("lockouts", "kind", "network"), 1.0).await;
}

#[tokio::test]
async fn three_hundred_guesses_at_once_are_five() {
    let gate = Gate::closed();
    let app = Origin::builder().route("/login", gate.then(login)).start().await;
    let gateway = guarded(&app, "{}").await;
    let guesses: Vec<_> =
        (0..300).map(|_| tokio::spawn(call(&gateway, "192.0.2.1", "ada", "wrong").send())).collect();
    app.reached(5).await;
    gate.open();
    let mut statuses = Vec::new();
    for guess in guesses {
        statuses.push(within(20, guess).await.unwrap().status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 295);
    assert_eq!(app.hits(), 5);
}

#[tokio::test]
async fn forty_people_behind_one_address_log_in_at_once() {
    let app = app().await;
    let gateway = guarded(&app, BY_ACCOUNT).await;
    let people: Vec<_> = (0..40)
        .map(|n| tokio::spawn(call(&gateway, "192.0.2.1", &format!("person{n}"), "right").send()))
        .collect();
    for person in people {
        within(20, person).await.unwrap().assert_status(200);
    }
}

#[tokio::test]
async fn an_attempt_that_nobody_waits_for_gives_its_place_back() {
    let gate = Gate::closed();
    let app = Origin::builder().route("/login", gate.then(login)).start().await;
    let gateway = guarded(&app, "{ failures: 1 }").await;
    let left = tokio::spawn(call(&gateway, "192.0.2.1", "ada", "wrong").send());
    app.reached(1).await;
    left.abort();
    metric_is(&gateway, &series("attempts", "outcome", "undecided"), 1.0).await;
    gate.open();
    attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(200);
}

#[tokio::test]
async fn only_what_the_app_has_refused_counts() {
    let broken = Origin::builder().route("/login", async |_: Seen| Response::new(500)).start().await;
    let gateway = guarded(&broken, "{ failures: 1 }").await;
    for _ in 0..3 {
        attempt(&gateway, "192.0.2.1", "ada", "wrong").await.assert_status(500);
    }
    broken.stop().await;
    for _ in 0..3 {
        attempt(&gateway, "192.0.2.1", "ada", "wrong").await.assert_status(502);
    }
    metric_is(&gateway, &series("attempts", "outcome", "undecided"), 6.0).await;

    let app = app().await;
    let with_probe =
        config("{ failures: 1 }").replace("filters: [", "filters: [{ probe: { mark: first } }, ");
    let refusing = with_probe.replace(" }]\n", " }, { probe: { mark: last, request: refuse } }]\n");
    assert_ne!(with_probe, refusing);
    let gateway =
        Gateway::config(&refusing).variable("APP", app.address()).server(probe::server()).start().await;
    for _ in 0..3 {
        let refused = attempt(&gateway, "192.0.2.1", "ada", "wrong").await;
        assert_eq!(refused.assert_status(403).json()["error"], "The probe says no.");
    }
}

#[tokio::test]
async fn apps_say_no_in_their_own_ways() {
    let form = async |seen: Seen| {
        let is_right = seen.body.ends_with(b"right");
        if is_right { Response::new(302).header("location", "/") } else { Response::text("Try again.") }
    };
    let app = Origin::builder().route("/login", form).start().await;
    let gateway = guarded(&app, "{ failures: 2, failed_status: [200], account: { form: username } }").await;
    let post = async |password: &str| {
        let body = format!("username=ada&password={password}");
        gateway
            .client()
            .post("/login", body)
            .header("x-forwarded-for", "192.0.2.1")
            .send()
            .await
            .status
            .as_u16()
    };
    let rows = [
        ("wrong", 200),
        ("right", 302),
        ("wrong", 200),
        ("right", 302),
        ("wrong", 200),
        ("wrong", 200),
        ("right", 429),
    ];
    for (row, (password, status)) in rows.into_iter().enumerate() {
        assert_eq!(post(password).await, status, "{row}");
    }
}

#[tokio::test]
async fn the_form_is_shown_and_friends_are_let_through_even_so() {
    let app = app().await;
    let gateway = guarded(&app, "{ failures: 1, allow: [198.51.100.0/24] }").await;
    for _ in 0..3 {
        fails(&gateway, 1, "198.51.100.7", "ada").await;
    }
    fails(&gateway, 1, "192.0.2.1", "ada").await;
    attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(429);
    let form = gateway.client().get("/login").header("x-forwarded-for", "192.0.2.1");
    form.send().await.assert_status(401);
    attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(429);
}

#[tokio::test]
async fn a_body_that_could_hide_the_account_is_refused() {
    let app = app().await;
    let gateway = guarded(&app, BY_ACCOUNT).await;
    let client = gateway.client();
    let twice = client.post("/login", r#"{"email":"mallory","email":"victim"}"#).send().await;
    assert_eq!(twice.assert_status(400).json()["error"], "The request names more than one account.");
    let padded = format!(r#"{{"padding":"{}","email":"victim"}}"#, "x".repeat(16 * 1024));
    client.post("/login", padded).send().await.assert_status(413);
    assert_eq!(app.hits(), 0);
    client.post("/login", "email=victim&password=right").send().await.assert_status(200);
    metric_is(&gateway, "headwall_login_guard_unnamed_total{place=\"app/login\"}", 1.0).await;
    let log = gateway.stop().await;
    let reasons: Vec<_> = log.iter().map(|line| line["reason"].as_str().unwrap_or_default()).collect();
    assert_eq!(reasons, ["ambiguous_account", "body_too_large", ""]);
}

#[tokio::test]
async fn a_body_that_was_read_arrives_as_it_was_sent() {
    let app = app().await;
    let gateway = guarded(&app, BY_ACCOUNT).await;
    let text = r#" {"email" : "ada", "password":"right" } "#;
    let (feed, call) = gateway.client().post("/login", "").streamed();
    let reply = tokio::spawn(call.send());
    for piece in text.as_bytes().chunks(7) {
        feed.send(piece.to_vec()).await.unwrap();
    }
    feed.end();
    within(10, reply).await.unwrap().assert_status(200);
    assert_eq!(app.requests()[0].body, text);
}

#[tokio::test]
async fn a_dry_run_counts_and_lets_everything_pass() {
    let app = app().await;
    let gateway = guarded(&app, "{ failures: 2, account: { json: email }, dry_run: true }").await;
    fails(&gateway, 6, "192.0.2.1", "ada").await;
    gateway.client().post("/login", r#"{"email":"a","email":"b"}"#).send().await.assert_status(401);
    metric_is(&gateway, &series("lockouts", "kind", "address_dry_run"), 1.0).await;
    metric_is(&gateway, &series("refusals", "kind", "address_dry_run"), 4.0).await;
    let still = guarded(&app, "{ failures: 1, dry_run: true }").await;
    let at_once: Vec<_> =
        (0..20).map(|_| tokio::spawn(call(&still, "192.0.2.1", "ada", "right").send())).collect();
    for reply in at_once {
        within(10, reply).await.unwrap().assert_status(200);
    }
}

#[tokio::test]
async fn what_was_counted_outlives_a_reload() {
    let app = app().await;
    let mut gateway = guarded(&app, "{ failures: 3 }").await;
    fails(&gateway, 2, "192.0.2.1", "ada").await;
    gateway.reload(&config("{ failures: 3, window: 1h }")).await.unwrap();
    fails(&gateway, 1, "192.0.2.1", "ada").await;
    attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(429);
    gateway.reload(&config("{ failures: 9 }")).await.unwrap();
    attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(429);
    metric_is(&gateway, &series("lockouts", "kind", "address"), 1.0).await;
}

#[tokio::test]
async fn a_lockout_is_one_line_without_the_account() {
    let app = app().await;
    let yaml = config(BY_ACCOUNT).replace("${APP}", &app.address().to_string());
    let yaml: Vec<_> = yaml.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).collect();
    let mut server = Process::serving(&yaml.join("\n")).await;
    let client = server.client();
    let post = |from: &str, account: &str| {
        let call = client.post("/login", "").header("x-forwarded-for", from);
        call.json(&json!({ "email": account, "password": "wrong" })).send()
    };
    for _ in 0..5 {
        post("192.0.2.1", "ada@example.com").await.assert_status(401);
    }
    for n in 0..10 {
        post(&format!("198.51.{n}.1"), "victim@example.com").await.assert_status(401);
    }
    post("192.0.2.1", "ada@example.com").await.assert_status(429);
    let address = server.hears("login_guard app/login").await;
    assert!(address.ends_with("login_guard app/login: 192.0.2.1 is locked out for 1m"), "{address}");
    let account = server.hears("login_guard app/login").await;
    assert!(account.ends_with(" is locked out for 1m, last tried by 198.51.9.1"), "{account}");
    let (_, rest) = account.split_once("account ").unwrap();
    let hash = rest.split(' ').next().unwrap();
    assert!(hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{account}");
}

#[tokio::test]
async fn a_slip_is_told_with_its_place() {
    let refused = Gateway::config(&config("{ spread: { accounts: 9 } }")).variable("APP", "127.0.0.1:1");
    let report = refused.try_start().await.unwrap_err();
    assert!(
        report.contains("accounts can only be counted where `account` says how they are named"),
        "{report}"
    );
}
