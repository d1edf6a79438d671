//! Renewal when the CA says so (RFC 9773): Pebble behind a proxy that adds windows.

use std::sync::Arc;
use std::time::Duration;

use headwall_acme::{Acme, Authority, Event, Wanted};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::ca::{Ca, answer, changed};
use crate::front::Front;
use crate::watch::{TestClock, Watched, pace};
use headwall_testkit::Pebble;

/// A window, and what `replaces` the orders had.
#[derive(Debug, Default)]
struct Windows {
    window: Mutex<Option<(Timestamp, Timestamp)>>,
    asked: Mutex<Vec<String>>,
    replaces: Mutex<Vec<Value>>,
    /// Refuses orders that replace something, as a CA does where that was replaced already.
    is_picky: bool,
}

/// Pebble with windows.
async fn with_windows(pebble: &Pebble, windows: &Arc<Windows>) -> Ca {
    let root = pebble.root_pem_path();
    let (certificate, key) = (root.with_file_name("server.pem"), root.with_file_name("server-key.pem"));
    let to = pebble.directory().trim_start_matches("https://").trim_end_matches("/dir").to_owned();
    let windows = windows.clone();
    Ca::start(&certificate, &key, move |address, request| {
        let (root, to, windows) = (root.clone(), to.clone(), windows.clone());
        Box::pin(async move {
            if let Some(id) = request.path.strip_prefix("/renewal/") {
                windows.asked.lock().push(id.to_owned());
                let Some((start, end)) = *windows.window.lock() else {
                    return answer("404 Not Found", "", "{}");
                };
                let body = json!({
                    "suggestedWindow": { "start": start, "end": end },
                    "explanationURL": "https://ca.example/why",
                });
                return answer("200 OK", "", &body.to_string());
            }
            let mut replaces = None;
            if request.method == "POST" && request.payload().get("identifiers").is_some() {
                replaces = request.payload().get("replaces").cloned();
                windows.replaces.lock().push(replaces.clone().unwrap_or(Value::Null));
                if replaces.is_some() && windows.is_picky {
                    let problem = r#"{"type": "urn:ietf:params:acme:error:alreadyReplaced"}"#;
                    return answer("409 Conflict", "replay-nonce: bm9uY2U\r\n", problem);
                }
            }
            let is_directory = request.path == "/dir";
            let reply = request.forward(&to, &root).await;
            changed(&reply, |body| {
                if is_directory {
                    body["renewalInfo"] = json!(format!("https://{address}/renewal"));
                }
                if let Some(replaces) = replaces {
                    body["replaces"] = replaces;
                }
            })
        })
    })
    .await
}

fn scheduled(event: &Event) -> Option<(Timestamp, bool, Option<String>)> {
    match event {
        Event::RenewalScheduled { at, asked_by_authority, explanation, .. } => {
            Some((*at, *asked_by_authority, explanation.clone()))
        }
        Event::Issued { .. } | Event::Failed { .. } => None,
    }
}

#[tokio::test]
async fn the_cas_window_decides_when_and_the_new_order_says_what_it_replaces() {
    for is_picky in [false, true] {
        let (dir, front) = (tempfile::tempdir().unwrap(), Front::bind().await);
        let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
        let windows = Arc::new(Windows { is_picky, ..Windows::default() });
        let hour = Duration::from_secs(3600);
        let start = Timestamp::now() + 100 * hour;
        *windows.window.lock() = Some((start, start + 2 * hour));
        let ca = with_windows(&pebble, &windows).await;

        let clock = TestClock::drawing(0.5);
        let acme = Acme::open_with(dir.path(), pace(&clock)).unwrap();
        let _front = front.http(acme.challenges());
        let authority =
            Authority { root: Some(pebble.root_pem_path()), ..Authority::directory(ca.directory()) };
        let wanted =
            Wanted { authorities: vec![authority], ..Wanted::new(["app.example.com".parse().unwrap()]) };
        let mut app = Watched::start(&acme, wanted);
        let first = app.issued().await;
        let (at, asked, explanation) = app.event(scheduled).await;
        assert!(asked, "the window is the CA's");
        assert_eq!(at.as_second(), (start + hour).as_second(), "its middle, as the clock draws it");
        assert_eq!(explanation.as_deref(), Some("https://ca.example/why"));

        // Six hours later the CA has changed its mind: a revocation is near.
        let now = Timestamp::now() + 6 * hour;
        *windows.window.lock() = Some((now - 2 * hour, now - hour));
        clock.put_forward_to(now + Duration::from_secs(5));
        let second = app.issued().await;
        assert_ne!(first.chain_pem, second.chain_pem, "it is renewed at once");

        let id = windows.asked.lock()[0].clone();
        let replaces = windows.replaces.lock().clone();
        let expected =
            if is_picky { vec![Value::Null, json!(id), Value::Null] } else { vec![Value::Null, json!(id)] };
        assert_eq!(replaces, expected, "is_picky: {is_picky}");
    }
}

#[tokio::test]
async fn a_window_that_is_always_past_does_not_make_a_certificate_a_second() {
    let (dir, front) = (tempfile::tempdir().unwrap(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let windows = Arc::new(Windows::default());
    *windows.window.lock() = Some((Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH));
    let ca = with_windows(&pebble, &windows).await;
    let acme = crate::watch::acme(dir.path());
    let _front = front.http(acme.challenges());
    let authority = Authority { root: Some(pebble.root_pem_path()), ..Authority::directory(ca.directory()) };
    let wanted = Wanted { authorities: vec![authority], ..Wanted::new(["app.example.com".parse().unwrap()]) };
    let mut app = Watched::start(&acme, wanted.clone());
    app.issued().await;
    let (at, asked, _) = app.event(scheduled).await;
    let wait = at.duration_since(Timestamp::now()).as_secs();
    assert!(asked && (3590..=3600).contains(&wait), "it is used for an hour: {wait} s");
    drop(app);

    let mut again = Watched::start(&acme, wanted);
    assert!(again.delivered().is_some_and(|stored| stored.is_stored));
    assert!(!again.issued().await.is_stored, "after a restart it is renewed at once");
}

#[tokio::test]
async fn a_question_that_fails_leaves_the_third() {
    let (dir, front) = (tempfile::tempdir().unwrap(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let windows = Arc::new(Windows::default());
    let ca = with_windows(&pebble, &windows).await;
    let acme = crate::watch::acme(dir.path());
    let _front = front.http(acme.challenges());
    let authority = Authority { root: Some(pebble.root_pem_path()), ..Authority::directory(ca.directory()) };
    let wanted = Wanted { authorities: vec![authority], ..Wanted::new(["app.example.com".parse().unwrap()]) };
    let mut app = Watched::start(&acme, wanted);
    let issued = app.issued().await;
    let (at, asked, _) = app.event(scheduled).await;
    assert!(!asked);
    assert!(at < issued.not_after && at > issued.not_before);
    assert_eq!(windows.asked.lock().len(), 1);
}
