//! CAs that are silent, talk nonsense, or have had enough of us.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use headwall_acme::{Acme, Authority, Event, Pace, RetrySchedule, State, Wanted};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::ca::{Ca, answer};
use crate::watch::{TestClock, Watched, pace};

/// The storage, beside the CA's files.
fn storage(dir: &TempDir) -> PathBuf {
    dir.path().join("acme")
}

/// A place for a storage, a CA that answers everything with `reply`, and what is wanted of it.
async fn nonsense(reply: Vec<u8>) -> (TempDir, Ca, Wanted) {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = crate::ca::certificate(dir.path());
    let ca = Ca::start(&certificate, &key, move |_, _| {
        let reply = reply.clone();
        Box::pin(async move { reply })
    })
    .await;
    let authority = Authority { root: Some(certificate), ..Authority::directory(ca.directory()) };
    let names = ["app.example.com".parse().unwrap()];
    let wanted = Wanted { authorities: vec![authority], ..Wanted::new(names) };
    (dir, ca, wanted)
}

#[tokio::test]
async fn nonsense_is_told_with_the_host_and_tried_again() {
    let html = "content-type: text/html\r\n";
    let json = "content-type: application/json\r\n";
    let rows = [
        (
            answer("200 OK", html, "<html>Welcome to nginx!"),
            "200 OK with text/html: \"<html>Welcome",
            "a page",
        ),
        (answer("502 Bad Gateway", html, "<html>502"), "502 Bad Gateway with text/html", "a proxy's page"),
        (answer("200 OK", json, "{}"), "missing field `newNonce`", "JSON that is no directory"),
        (answer("200 OK", json, "{\"newNonce\": 7}"), "invalid type", "JSON of the wrong type"),
        (answer("503 Service Unavailable", "", ""), "answered 503", "no word"),
        (answer("500 Oh", json, "{\"type\": \"t\", \"detail\": \"in repair\"}"), "in repair", "a problem"),
        (b"\x16\x03garbage\r\n\r\n".to_vec(), "cannot be reached", "no HTTP"),
    ];
    for (reply, expected, message) in rows {
        let (dir, ca, wanted) = nonsense(reply).await;
        let acme = crate::watch::acme(&storage(&dir));
        let mut app = Watched::start(&acme, wanted);
        for _ in 0..2 {
            let error = app.failure().await;
            assert!(error.contains(expected), "{message}: {error}");
            assert!(error.contains(ca.directory().trim_start_matches("https://").trim_end_matches("/dir")));
        }
        assert!(app.managed.status().failures >= 2, "{message}: it is tried again");
        assert_eq!(app.managed.status().state, State::Failing, "{message}");
    }
}

#[tokio::test]
async fn a_silent_ca_costs_no_more_than_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/dir", listener.local_addr().unwrap());
    let pace = Pace { request_timeout: Duration::from_millis(200), ..pace(&TestClock::drawing(0.5)) };
    let acme = Acme::open_with(&storage(&dir), pace).unwrap();
    let wanted = Wanted {
        authorities: vec![Authority::directory(url.clone())],
        ..Wanted::new(["app.example.com".parse().unwrap()])
    };
    let mut app = Watched::start(&acme, wanted);
    let error = app.failure().await;
    let host = url.trim_start_matches("https://").trim_end_matches("/dir");
    assert!(error.contains(&format!("{host} did not answer within 0.2 s")), "{error}");
}

#[tokio::test]
async fn a_ca_that_has_had_enough_is_left_alone_for_as_long_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = crate::ca::certificate(dir.path());
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = orders.clone();
    let ca = Ca::start(&certificate, &key, move |address, request| {
        let url = |path: &str| format!("https://{address}/{path}");
        let nonce = "replay-nonce: bm9uY2U\r\n";
        let reply = match request.path.as_str() {
            "/dir" => answer(
                "200 OK",
                "",
                &serde_json::json!({
                    "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order"),
                })
                .to_string(),
            ),
            "/account" => answer("201 Created", &format!("{nonce}location: {}\r\n", url("account/1")), "{}"),
            "/order" => {
                assert_eq!(request.payload()["profile"], "shortlived");
                counted.fetch_add(1, Ordering::SeqCst);
                let problem = r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many"}"#;
                answer("429 Too Many Requests", &format!("{nonce}retry-after: 7200\r\n"), problem)
            }
            _ => answer("200 OK", nonce, ""),
        };
        Box::pin(async move { reply })
    })
    .await;
    let clock = TestClock::drawing(0.5);
    let minute = Duration::from_secs(60);
    let retry = RetrySchedule { first: vec![], then: minute, finally: minute };
    let acme = Acme::open_with(&storage(&dir), Pace { retry, ..pace(&clock) }).unwrap();
    let profile = Some("shortlived".to_owned());
    let authority = Authority { root: Some(certificate), profile, ..Authority::directory(ca.directory()) };
    let wanted = Wanted { authorities: vec![authority], ..Wanted::new(["app.example.com".parse().unwrap()]) };
    let mut app = Watched::start(&acme, wanted);
    let before = Timestamp::now();
    let failed = |event: &Event| match event {
        Event::Failed { error, next_attempt, .. } => Some((error.clone(), *next_attempt)),
        Event::Issued { .. } | Event::RenewalScheduled { .. } => None,
    };
    let (error, next_attempt) = app.event(failed).await;
    assert!(error.contains("urn:ietf:params:acme:error:rateLimited: too many"), "{error}");
    let wait = next_attempt.duration_since(before).as_secs();
    assert!((7198..7210).contains(&wait), "{wait} s, and not the schedule's minute");
    assert_eq!(orders.load(Ordering::SeqCst), 1);

    clock.put_forward_to(next_attempt);
    app.event(failed).await;
    assert_eq!(orders.load(Ordering::SeqCst), 2, "then it is asked again");
}

#[tokio::test]
async fn a_ca_in_repair_says_when_it_is_back() {
    let (dir, _ca, wanted) = nonsense(answer("503 Service Unavailable", "retry-after: 3600\r\n", "")).await;
    let acme = crate::watch::acme(&storage(&dir));
    let mut app = Watched::start(&acme, wanted);
    let before = Timestamp::now();
    app.failure().await;
    let wait = app.managed.status().next_attempt.unwrap().duration_since(before).as_secs();
    assert!((3598..3610).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn what_no_ca_could_issue_is_not_asked_for() {
    let (dir, _ca, wanted) = nonsense(answer("500 Internal Server Error", "", "")).await;
    let acme = crate::watch::acme(&storage(&dir));
    let names = vec!["*.example.com".parse().unwrap()];
    let mut app = Watched::start(&acme, Wanted { names, ..wanted });
    let error = app.failure().await;
    assert_eq!(error, "*.example.com: a wildcard is proven by a DNS record only, and no DNS hook is set");
}

#[tokio::test]
async fn a_damaged_certificate_is_set_aside_and_an_expired_one_is_not_delivered() {
    let (dir, _ca, wanted) = nonsense(answer("503 Service Unavailable", "", "")).await;
    let authority = wanted.authorities[0].directory.clone();
    let authority = authority.trim_start_matches("https://").replace([':', '/'], "-");
    let place = storage(&dir).join("certificates").join(authority);
    let files = place.join("app.example.com");
    let acme = crate::watch::acme(&storage(&dir));

    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("fullchain.pem"), "garbage").unwrap();
    std::fs::write(files.join("privkey.pem"), "garbage").unwrap();
    let mut app = Watched::start(&acme, wanted.clone());
    assert!(app.delivered().is_none());
    let aside = std::fs::read_dir(&place).unwrap().next().unwrap().unwrap().file_name();
    assert!(aside.to_string_lossy().starts_with(".app.example.com.damaged-"), "{aside:?}");
    drop(app);

    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["app.example.com".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("fullchain.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(files.join("privkey.pem"), key.serialize_pem()).unwrap();
    let mut app = Watched::start(&acme, wanted);
    assert!(app.delivered().is_none());
    assert!(files.exists(), "it is no damage");
    app.failure().await;
}
