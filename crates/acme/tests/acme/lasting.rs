//! What outlives an issuance: accounts, orders and certificates over restarts, renewal, several processes.

use std::time::Duration;

use headwall_acme::{Acme, AllowedChallenges, ChallengeKind, DnsHook, Event, State, Wanted};

use crate::front::Front;
use crate::stage::{first_entry, storage, wanted};
use crate::watch::{TestClock, Watched, acme, pace};
use headwall_testkit::Pebble;

#[tokio::test]
async fn a_restart_keeps_certificate_and_account() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(mut pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let one = acme(storage.path());
    let _front = front.http(one.challenges());
    let mut app = Watched::start(&one, wanted(&pebble, &["app.example.com"]));
    let issued = app.issued().await;
    let accounts = format!("accounts/{}/ops@example.com.json", first_entry(&storage, "accounts"));
    let account = || std::fs::read_to_string(storage.path().join(&accounts)).unwrap();
    let before = account();

    let two = acme(storage.path());
    let mut other = Watched::start(&two, wanted(&pebble, &["other.example.com"]));
    other.issued().await;
    assert_eq!(account(), before, "the account is the same");
    assert_eq!(pebble.log().matches("There are now 1 accounts").count(), 1, "one was made: {}", pebble.log());
    drop((app, other));

    pebble.stop().await;
    let three = acme(storage.path());
    let mut again = Watched::start(&three, wanted(&pebble, &["app.example.com"]));
    let stored = again.delivered().expect("it is delivered before anything is awaited, without the CA");
    assert!(stored.is_stored && stored.chain_pem == issued.chain_pem && stored.key_pem == issued.key_pem);
    assert_eq!(again.managed.status().state, State::Valid);
}

#[tokio::test]
async fn an_order_survives_a_restart() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let acme = acme(storage.path());
    // The hook ends when the test is done with it, so the order stays open.
    let hook = DnsHook::exec("sh", ["-c", "exec sleep 60"], Duration::from_secs(60));
    let names = ["app.example.com"];
    let first = Watched::start(&acme, Wanted { dns: Some(hook), ..wanted(&pebble, &names) });
    let file = async {
        loop {
            let dir = std::fs::read_dir(storage.path().join("orders")).ok().and_then(|mut dir| dir.next());
            let file = dir.map(|dir| dir.unwrap().path().join("app.example.com.json"));
            if let Some(text) = file.and_then(|file| std::fs::read_to_string(file).ok()) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let pending = tokio::time::timeout(Duration::from_secs(20), file).await.unwrap();
    drop(first);
    let pending: serde_json::Value = serde_json::from_str(&pending).unwrap();

    let _front = front.http(acme.challenges());
    let mut second = Watched::start(&acme, wanted(&pebble, &names));
    let issued = second.issued().await;
    assert_eq!(
        issued.key_pem.expose(),
        pending["key"].as_str().unwrap(),
        "the key of the order that was open"
    );
    assert_eq!(pebble.log().matches("Added order").count(), 1, "no second order: {}", pebble.log());
}

#[tokio::test]
async fn a_certificate_that_could_not_be_stored_is_fetched_again() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    // No directory can be made where a file is.
    let obstacle = storage.path().join("certificates");
    std::fs::write(&obstacle, "").unwrap();
    let acme = acme(storage.path());
    let _front = front.http(acme.challenges());
    let mut first = Watched::start(&acme, wanted(&pebble, &["app.example.com"]));
    let issued = first.issued().await;
    assert!(!issued.is_stored);
    drop(first);
    std::fs::remove_file(&obstacle).unwrap();
    let mut second = Watched::start(&acme, wanted(&pebble, &["app.example.com"]));
    assert_eq!(second.issued().await.chain_pem, issued.chain_pem);
    assert_eq!(pebble.log().matches("Added order").count(), 1, "no second order: {}", pebble.log());
}

#[tokio::test]
async fn a_certificate_is_renewed_with_a_third_of_its_life_left() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let clock = TestClock::drawing(0.5);
    let acme = Acme::open_with(storage.path(), pace(&clock)).unwrap();
    let _front = front.http(acme.challenges());
    let mut app = Watched::start(&acme, wanted(&pebble, &["app.example.com"]));
    let first = app.issued().await;
    let at = app
        .event(|event| match event {
            Event::RenewalScheduled { at, asked_by_authority: false, .. } => Some(*at),
            Event::RenewalScheduled { .. } | Event::Issued { .. } | Event::Failed { .. } => None,
        })
        .await;
    let whole = first.not_after.duration_since(first.not_before).as_secs_f64();
    let left = first.not_after.duration_since(at).as_secs_f64() / whole;
    assert!((0.33..0.36).contains(&left), "{left} of the lifetime is left");
    assert_eq!(app.managed.status().next_attempt, Some(at));

    clock.put_forward_to(at);
    let second = app.issued().await;
    assert_ne!(second.chain_pem, first.chain_pem);
    assert!(!second.is_stored);
}

#[tokio::test]
async fn a_process_that_has_not_asked_answers_for_the_one_that_has() {
    let (storage, http, tls) = (storage(), Front::bind().await, Front::bind().await);
    let builder = Pebble::builder().http_port(http.port()).tls_port(tls.port());
    let Some(pebble) = builder.start().await else { return };
    let (one, two) = (acme(storage.path()), acme(storage.path()));
    let _fronts = (http.http(two.challenges()), tls.tls(two.challenges()));
    for (kind, name) in
        [(ChallengeKind::Http01, "a.example.com"), (ChallengeKind::TlsAlpn01, "b.example.com")]
    {
        let is_http = kind == ChallengeKind::Http01;
        let challenges = AllowedChallenges { http_01: is_http, tls_alpn_01: !is_http };
        let mut app = Watched::start(&one, Wanted { challenges, ..wanted(&pebble, &[name]) });
        app.issued().await;
        assert!(!app.has_failed(), "{kind}");
    }
}

#[tokio::test]
async fn two_processes_on_one_storage_issue_once() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let (one, two) = (acme(storage.path()), acme(storage.path()));
    // The CA reaches the second only; which of them asks is chance.
    let _front = front.http(two.challenges());
    let names = ["app.example.com"];
    let mut first = Watched::start(&one, wanted(&pebble, &names));
    let mut second = Watched::start(&two, wanted(&pebble, &names));
    let (a, b) = (first.issued().await, second.issued().await);
    assert_eq!(a.chain_pem, b.chain_pem);
    assert!(a.is_stored != b.is_stored, "one has it from the CA, the other from the storage");
    assert_eq!(pebble.log().matches("Issued certificate").count(), 1);
}
