//! Certificates from a real CA: Pebble.

use std::time::Duration;

use headwall_acme::{
    AccountBinding, Acme, AllowedChallenges, Authority, ChallengeKind, DnsHook, Event, Secret, State, Wanted,
};

use crate::front::Front;
use crate::stage::{assert_trusted, authority, entries, first_entry, storage, wanted};
use crate::watch::{TestClock, Watched, acme, pace};
use headwall_testkit::Pebble;

#[tokio::test]
async fn http_01_brings_a_certificate_that_is_trusted() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let acme = acme(storage.path());
    let _front = front.http(acme.challenges());
    let mut app = Watched::start(&acme, wanted(&pebble, &["app.example.com", "www.example.com"]));
    let issued = app.issued().await;
    assert!(!issued.is_stored);
    assert_trusted(&issued.chain_pem, &pebble.issuer_root().await, "www.example.com");

    let status = app.managed.status();
    assert_eq!((status.state, status.failures), (State::Valid, 0));
    assert_eq!(status.not_after, Some(issued.not_after));
    let event = app.event(|event| matches!(event, Event::Issued { .. }).then(|| event.to_string())).await;
    assert!(event.starts_with("app.example.com, www.example.com: 127.0.0.1:"), "{event}");
    assert!(!acme.challenges().is_pending());
    assert_eq!(entries(&storage, "challenges/http-01"), 0, "answers are taken away");
    assert_eq!(entries(&storage, "locks"), 0, "the lock is given back");
    let order = format!("orders/{}", first_entry(&storage, "certificates"));
    assert_eq!(entries(&storage, &order), 0, "the order is done");
}

#[tokio::test]
async fn tls_alpn_01_brings_a_certificate() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().tls_port(front.port()).start().await else { return };
    let acme = acme(storage.path());
    let _front = front.tls(acme.challenges());
    let challenges = AllowedChallenges { http_01: false, tls_alpn_01: true };
    let mut app = Watched::start(&acme, Wanted { challenges, ..wanted(&pebble, &["app.example.com"]) });
    assert_trusted(&app.issued().await.chain_pem, &pebble.issuer_root().await, "app.example.com");
}

#[tokio::test]
async fn an_address_has_a_certificate_by_either_challenge() {
    for kind in [ChallengeKind::Http01, ChallengeKind::TlsAlpn01] {
        let (storage, http, tls) = (storage(), Front::bind().await, Front::bind().await);
        let builder = Pebble::builder().http_port(http.port()).tls_port(tls.port());
        let Some(pebble) = builder.start().await else { return };
        let acme = acme(storage.path());
        let _fronts = (http.http(acme.challenges()), tls.tls(acme.challenges()));
        let is_http = kind == ChallengeKind::Http01;
        let challenges = AllowedChallenges { http_01: is_http, tls_alpn_01: !is_http };
        let mut app = Watched::start(&acme, Wanted { challenges, ..wanted(&pebble, &["127.0.0.1"]) });
        assert_trusted(&app.issued().await.chain_pem, &pebble.issuer_root().await, "127.0.0.1");
    }
}

#[tokio::test]
async fn a_slow_ca_that_rejects_nonces_and_reuses_authorizations_is_fine() {
    for kind in [ChallengeKind::Http01, ChallengeKind::TlsAlpn01] {
        let (storage, http, tls) = (storage(), Front::bind().await, Front::bind().await);
        let builder = Pebble::builder().http_port(http.port()).tls_port(tls.port());
        let builder = builder.nonce_reject(15).order_delay(3).authorization_reuse(50);
        let Some(pebble) = builder.start().await else { return };
        let clock = TestClock::drawing(if kind == ChallengeKind::Http01 { 0.6 } else { 0.4 });
        let acme = Acme::open_with(storage.path(), pace(&clock)).unwrap();
        let _fronts = (http.http(acme.challenges()), tls.tls(acme.challenges()));
        for names in [["a.example.com", "b.example.com"], ["b.example.com", "a.example.com"]] {
            let mut app = Watched::start(&acme, wanted(&pebble, &names));
            app.issued().await;
            assert!(!app.has_failed(), "{kind}: {names:?}");
        }
    }
}

#[tokio::test]
async fn a_challenge_that_fails_is_followed_by_the_other_and_remembered() {
    for (random, works) in [(0.6, ChallengeKind::TlsAlpn01), (0.4, ChallengeKind::Http01)] {
        let (storage, front) = (storage(), Front::bind().await);
        let builder = match works {
            ChallengeKind::TlsAlpn01 => Pebble::builder().tls_port(front.port()),
            ChallengeKind::Http01 | ChallengeKind::Dns01 => Pebble::builder().http_port(front.port()),
        };
        let Some(pebble) = builder.start().await else { return };
        let acme = Acme::open_with(storage.path(), pace(&TestClock::drawing(random))).unwrap();
        let front = match works {
            ChallengeKind::TlsAlpn01 => front.tls(acme.challenges()),
            ChallengeKind::Http01 | ChallengeKind::Dns01 => front.http(acme.challenges()),
        };
        let mut first = Watched::start(&acme, wanted(&pebble, &["first.example.com"]));
        first.issued().await;
        assert!(!first.has_failed(), "{works}: it is the same attempt");
        let orders =
            |log: String| log.matches("creating order").count().max(log.matches("Added order").count());
        let before = orders(pebble.log());
        let mut second = Watched::start(&acme, wanted(&pebble, &["second.example.com"]));
        second.issued().await;
        assert_eq!(orders(pebble.log()), before + 1, "{works}: what has worked comes first");
        assert!(front.asked() >= 2);
    }
}

#[tokio::test]
async fn a_failure_has_the_cas_own_words() {
    let storage = storage();
    let Some(pebble) = Pebble::builder().start().await else { return };
    let acme = acme(storage.path());
    let mut app = Watched::start(&acme, wanted(&pebble, &["app.example.com"]));
    let (challenge, error) = app
        .event(|event| match event {
            Event::Failed { challenge, error, .. } => Some((*challenge, error.clone())),
            Event::Issued { .. } | Event::RenewalScheduled { .. } => None,
        })
        .await;
    assert!(challenge.is_some());
    for part in [
        "127.0.0.1:",
        "app.example.com by http-01: urn:ietf:params:acme:error:connection",
        "app.example.com by tls-alpn-01: urn:ietf:params:acme:error:unauthorized: Failed to connect to",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let status = app.managed.status();
    assert_eq!(status.state, State::Failing);
    assert!(status.next_attempt.is_some() && status.last_error.is_some());
}

#[tokio::test]
async fn dns_01_proves_a_wildcard_by_a_program() {
    let storage = storage();
    let Some(pebble) = Pebble::builder().start().await else { return };
    let url = pebble.dns().url();
    let script = format!(
        r#"
        echo "$HEADWALL_ACME_ACTION $HEADWALL_ACME_RECORD" >> {dir}/hook.log
        case $HEADWALL_ACME_ACTION in
            present) path=set-txt ;;
            cleanup) path=clear-txt ;;
        esac
        exec curl --silent --fail -d "{{\"host\":\"$HEADWALL_ACME_RECORD.\",\"value\":\"$HEADWALL_ACME_VALUE\"}}" {url}/$path
        "#,
        dir = storage.path().display()
    );
    let hook = DnsHook::exec("sh", ["-c", &script], Duration::from_secs(20));
    let acme = acme(storage.path());
    let names = ["*.example.com", "example.com"];
    let mut app = Watched::start(&acme, Wanted { dns: Some(hook), ..wanted(&pebble, &names) });
    let issued = app.issued().await;
    assert_trusted(&issued.chain_pem, &pebble.issuer_root().await, "any.example.com");
    let log = std::fs::read_to_string(storage.path().join("hook.log")).unwrap();
    for action in ["present", "cleanup"] {
        let line = format!("{action} _acme-challenge.example.com\n");
        assert_eq!(log.matches(&line).count(), 2, "{action} for each name: {log}");
    }
}

#[tokio::test]
async fn a_hook_that_fails_is_quoted() {
    let storage = storage();
    let Some(pebble) = Pebble::builder().start().await else { return };
    let hook = DnsHook::exec("sh", ["-c", "echo no such zone >&2; exit 4"], Duration::from_secs(20));
    let acme = acme(storage.path());
    let mut app = Watched::start(&acme, Wanted { dns: Some(hook), ..wanted(&pebble, &["*.example.com"]) });
    let error = app.failure().await;
    assert!(
        error.contains("*.example.com: the DNS hook sh ended with exit status: 4: no such zone"),
        "{error}"
    );
}

#[tokio::test]
async fn dns_01_goes_by_a_webhook_too() {
    let storage = storage();
    let Some(pebble) = Pebble::builder().start().await else { return };
    let (webhook, mut calls) = webhook::start().await;
    let acme = acme(storage.path());
    let hook = DnsHook::webhook(webhook, Duration::from_secs(20));
    let mut app = Watched::start(&acme, Wanted { dns: Some(hook), ..wanted(&pebble, &["*.example.com"]) });
    let (call, answer) = calls.recv().await.unwrap();
    assert_eq!(call["action"], "present");
    assert_eq!(call["domain"], "example.com");
    let record = call["record"].as_str().unwrap();
    pebble.dns().set_txt(record, call["value"].as_str().unwrap()).await;
    answer.send(204).unwrap();
    let (call, answer) = calls.recv().await.unwrap();
    assert_eq!(call["action"], "cleanup");
    pebble.dns().clear_txt(record).await;
    answer.send(500).unwrap();
    app.issued().await;
}

/// A webhook whose calls the test answers.
mod webhook {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::{mpsc, oneshot};

    pub(super) type Call = (serde_json::Value, oneshot::Sender<u16>);

    pub(super) async fn start() -> (String, mpsc::Receiver<Call>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dns", listener.local_addr().unwrap());
        let (calls, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut read = Vec::new();
                let body = loop {
                    assert!(stream.read_buf(&mut read).await.unwrap() > 0, "a whole request");
                    let text = String::from_utf8_lossy(&read);
                    let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
                    if let Some(Ok(call)) = body.map(serde_json::from_str) {
                        break call;
                    }
                };
                let (answer, answered) = oneshot::channel();
                if calls.send((body, answer)).await.is_err() {
                    return;
                }
                let status = answered.await.unwrap();
                let reply =
                    format!("HTTP/1.1 {status} Word\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        (url, receiver)
    }
}

#[tokio::test]
async fn an_account_is_bound_to_another_where_the_ca_wants_it() {
    const HMAC: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).eab("kid-1", HMAC).start().await else {
        return;
    };
    let acme = acme(storage.path());
    let _front = front.http(acme.challenges());

    let mut without = Watched::start(&acme, wanted(&pebble, &["app.example.com"]));
    let error = without.failure().await;
    assert!(error.contains("urn:ietf:params:acme:error:externalAccountRequired"), "{error}");
    drop(without);

    let binding = AccountBinding::new("kid-1", &Secret::new(HMAC)).unwrap();
    let authority = Authority { account_binding: Some(binding), ..authority(&pebble) };
    let mut bound = Watched::start(
        &acme,
        Wanted { authorities: vec![authority], ..wanted(&pebble, &["app.example.com"]) },
    );
    bound.issued().await;
}

#[tokio::test]
async fn half_of_all_nonces_may_be_rejected() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).nonce_reject(50).start().await else {
        return;
    };
    let acme = acme(storage.path());
    let _front = front.http(acme.challenges());
    let mut app =
        Watched::start(&acme, wanted(&pebble, &["a.example.com", "b.example.com", "c.example.com"]));
    app.issued().await;
    assert!(!app.has_failed(), "one attempt is enough");
}

#[tokio::test]
async fn a_ca_that_is_down_is_asked_again_until_it_is_up() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(mut pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    pebble.stop().await;
    let acme = acme(storage.path());
    let _front = front.http(acme.challenges());
    let mut app = Watched::start(&acme, wanted(&pebble, &["app.example.com"]));
    for _ in 0..2 {
        let error = app.failure().await;
        assert!(error.contains("127.0.0.1:") && error.contains("refused"), "{error}");
    }
    pebble.start_again().await;
    app.issued().await;
}

#[tokio::test]
async fn an_account_that_the_ca_has_forgotten_is_made_again() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(mut pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let acme = acme(storage.path());
    let _front = front.http(acme.challenges());
    let mut first = Watched::start(&acme, wanted(&pebble, &["first.example.com"]));
    first.issued().await;
    pebble.stop().await;
    pebble.start_again().await;
    let mut second = Watched::start(&acme, wanted(&pebble, &["second.example.com"]));
    second.issued().await;
    assert!(!second.has_failed(), "the same attempt makes it");
}

#[tokio::test]
async fn the_next_ca_is_asked_when_one_fails() {
    let (storage, front) = (storage(), Front::bind().await);
    let Some(pebble) = Pebble::builder().http_port(front.port()).start().await else { return };
    let acme = acme(storage.path());
    let _front = front.http(acme.challenges());
    let gone = Front::bind().await;
    let down = Authority::directory(format!("https://127.0.0.1:{}/dir", gone.port()));
    drop(gone);
    let second = Authority { name: "second".to_owned(), ..authority(&pebble) };
    let mut app = Watched::start(
        &acme,
        Wanted { authorities: vec![down, second], ..wanted(&pebble, &["app.example.com"]) },
    );
    assert_eq!(app.issued().await.authority, "second");
    assert!(!app.has_failed(), "it is the same round");
}

#[tokio::test]
async fn after_a_failure_the_staging_directory_is_asked_first() {
    let (storage, front) = (storage(), Front::bind().await);
    let builder = || Pebble::builder().http_port(front.port());
    let (Some(mut real), Some(staging)) = (builder().start().await, builder().start().await) else { return };
    // One root for both, as a CA has it: the files have the same owner and another path only.
    let roots: String =
        [&real, &staging].map(|pebble| std::fs::read_to_string(pebble.root_pem_path()).unwrap()).concat();
    let root = real.root_pem_path().with_file_name("both.pem");
    std::fs::write(&root, roots).unwrap();
    let acme = acme(storage.path());
    let _front = front.http(acme.challenges());
    real.stop().await;
    let authority = Authority { staging: Some(staging.directory()), root: Some(root), ..authority(&real) };
    let directory = real.directory();
    let mut app =
        Watched::start(&acme, Wanted { authorities: vec![authority], ..wanted(&real, &["app.example.com"]) });
    app.failure().await;
    assert!(!staging.log().contains("Issued certificate"), "the first attempt goes to the CA itself");
    app.failure().await;
    assert!(staging.log().contains("Issued certificate"), "the second is rehearsed");
    real.start_again().await;
    let issued = app.issued().await;
    assert_eq!(real.directory(), directory);
    assert_trusted(&issued.chain_pem, &real.issuer_root().await, "app.example.com");
}
