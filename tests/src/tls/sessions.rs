//! Sessions that are taken up again: who comes back is spared most of a handshake.

use headwall_testkit::{Client, Gateway, TLS12, TLS13};

use super::{Issuer, config, handshakes, process, site};

/// Asks once, and says whether that went on with a session of this client.
async fn resumes(client: &Client) -> bool {
    let reply = client.get("/").send().await;
    reply.assert_status(200);
    reply.handshake().resumed
}

#[tokio::test]
async fn a_second_connection_goes_on_with_the_session_of_the_first() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    for (version, name) in [(&TLS13, "TLSv1.3"), (&TLS12, "TLSv1.2")] {
        let client = issuer.client(&gateway, "app.test").versions(&[version]);
        assert!(!resumes(&client).await, "{name}: the first");
        for _ in 0..3 {
            assert!(resumes(&client).await, "{name}: another");
        }
        assert_eq!(
            (handshakes(&gateway, name, false), handshakes(&gateway, name, true)),
            (1.0, 3.0),
            "{name}"
        );
    }
}

#[tokio::test]
async fn without_tickets_nothing_is_resumed() {
    let issuer = Issuer::new();
    let tls = format!("{}, session_tickets: false", issuer.files(&["app.test"]));
    let gateway = Gateway::start(&config([site("app.test", &tls)])).await;
    for version in [&TLS13, &TLS12] {
        let client = issuer.client(&gateway, "app.test").versions(&[version]);
        for _ in 0..3 {
            assert!(!resumes(&client).await);
        }
    }
}

#[tokio::test]
async fn a_session_outlives_a_reload() {
    let issuer = Issuer::new();
    let one = site("app.test", &issuer.files(&["app.test"]));
    let mut gateway = Gateway::start(&config([one.clone()])).await;
    for version in [&TLS13, &TLS12] {
        let client = issuer.client(&gateway, "app.test").versions(&[version]);
        assert!(!resumes(&client).await);
        gateway.reload(&config([one.clone(), site("two.test", &issuer.files(&["two.test"]))])).await.unwrap();
        assert!(resumes(&client).await, "after a reload");
        gateway.reload(&config([one.clone()])).await.unwrap();
        assert!(resumes(&client).await, "after another");
    }
}

#[tokio::test]
async fn a_session_is_known_to_every_worker() {
    let issuer = Issuer::new();
    let process = process(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    for version in [&TLS13, &TLS12] {
        let client =
            Client::to(process.address()).tls(&issuer.authority).server_name("app.test").versions(&[version]);
        assert!(!resumes(&client).await);
        for _ in 0..20 {
            assert!(resumes(&client).await, "whichever of the two workers it comes to");
        }
    }
}

#[tokio::test]
async fn a_session_of_one_site_opens_no_other_one() {
    let issuer = Issuer::new();
    let names = ["one.test", "two.test"];
    let gateway = Gateway::start(&config(names.map(|name| site(name, &issuer.files(&[name]))))).await;
    for version in [&TLS13, &TLS12] {
        let one = issuer.client(&gateway, "one.test").versions(&[version]);
        assert!(!resumes(&one).await);
        assert!(resumes(&one).await);
        let two = issuer.client(&gateway, "two.test").versions(&[version]);
        assert!(!resumes(&two).await);
        assert_eq!(two.get("/").send().await.text(), "two.test");
    }
}
