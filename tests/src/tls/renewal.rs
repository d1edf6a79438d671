//! Certificates in files that somebody else renews: new ones are taken up, bad ones are not.

use std::os::unix::fs::symlink;

use headwall_testkit::{Client, Gateway, Identity, eventually};
use serde_json::Value;

use super::{Issuer, config, files, site};

/// The serial number of the certificate that a new connection is shown.
async fn shown(client: &Client) -> String {
    client.clone().versions(&[&headwall_testkit::TLS13]).handshake().await.unwrap().serial()
}

async fn becomes(client: &Client, identity: &Identity) {
    let wanted = identity.certificate().serial();
    eventually(10, async || (shown(client).await == wanted).then_some(())).await;
}

/// What `/certificates` says of a site's.
async fn told(gateway: &Gateway, site: &str) -> Value {
    let all = gateway.admin("/certificates").await.json();
    all.as_array().unwrap().iter().find(|one| one["site"] == site).unwrap().clone()
}

fn renewals(gateway: &Gateway, issuer: &Issuer, site: &str, result: &str) -> Option<f64> {
    let certificate = issuer.path(site).join("fullchain.pem");
    gateway.metric(&format!(
        "headwall_certificate_renewals_total{{certificate=\"{}\",result=\"{result}\",site=\"{site}\"}}",
        certificate.display()
    ))
}

#[tokio::test]
async fn renewed_files_are_taken_up_and_open_connections_stay() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    let client = issuer.client(&gateway, "app.test");
    let (one, two) = (client.clone().keep().await, client.clone().http2().keep().await);
    let before = one.get("/").send().await.handshake().serial();

    let renewed = issuer.authority.issue(&["app.test"]);
    issuer.put("app.test", &renewed);
    becomes(&client, &renewed).await;
    assert_ne!(before, renewed.certificate().serial());
    for open in [one, two] {
        let reply = open.get("/").send().await;
        reply.assert_status(200);
        assert_eq!(reply.handshake().serial(), before, "on the connection that was open before");
    }
    assert_eq!(renewals(&gateway, &issuer, "app.test", "succeeded"), Some(1.0));
    assert_eq!(renewals(&gateway, &issuer, "app.test", "failed"), None);
    assert_eq!(told(&gateway, "app.test").await["state"], "valid");
}

#[tokio::test]
async fn certbots_links_are_followed() {
    let issuer = Issuer::new();
    let (first, second) = (issuer.authority.issue(&["app.test"]), issuer.authority.issue(&["app.test"]));
    let (archive, live) = (issuer.path("archive"), issuer.path("live"));
    for dir in [&archive, &live] {
        std::fs::create_dir(dir).unwrap();
    }
    let archived = |n: usize, identity: &Identity| {
        let (chain, key) = identity.write(&archive);
        for (path, name) in [(chain, "fullchain"), (key, "privkey")] {
            let kept = archive.join(format!("{name}{n}.pem"));
            std::fs::rename(path, &kept).unwrap();
            let (link, beside) = (live.join(format!("{name}.pem")), live.join(format!("{name}.new")));
            symlink(format!("../archive/{name}{n}.pem"), &beside).unwrap();
            std::fs::rename(beside, link).unwrap();
        }
    };
    archived(1, &first);
    let gateway = Gateway::start(&config([site("app.test", &files(&live))])).await;
    let client = issuer.client(&gateway, "app.test");
    assert_eq!(shown(&client).await, first.certificate().serial());
    archived(2, &second);
    becomes(&client, &second).await;
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_with_a_reason_until_it_is_mended() {
    /// What is done to the files of a site, and a part of what is said of it.
    type Row = (&'static str, fn(&Issuer, &str), &'static str);
    let rows: [Row; 7] = [
        (
            "other-key.test",
            |issuer, site| {
                let stranger = issuer.authority.issue(&["other"]);
                drop(issuer.put(site, &issuer.authority.issue(&[site]).with_key_of(&stranger)));
            },
            "key",
        ),
        (
            "rubbish.test",
            |issuer, site| {
                std::fs::write(issuer.path(site).join("fullchain.pem"), "no certificate\n").unwrap();
            },
            "fullchain.pem",
        ),
        (
            "half.test",
            |issuer, site| {
                let path = issuer.path(site).join("fullchain.pem");
                let text = std::fs::read_to_string(&path).unwrap();
                std::fs::write(path, &text[..text.len() / 2]).unwrap();
            },
            "fullchain.pem",
        ),
        (
            "misplaced.test",
            |issuer, site| drop(issuer.put(site, &issuer.authority.issue(&["somewhere-else.test"]))),
            "not for `misplaced.test`",
        ),
        (
            "expired.test",
            |issuer, site| {
                drop(issuer.put(site, &issuer.authority.certificate(&[site]).expired().issue()));
            },
            "not valid",
        ),
        (
            "future.test",
            |issuer, site| {
                drop(issuer.put(site, &issuer.authority.certificate(&[site]).not_yet_valid().issue()));
            },
            "not valid",
        ),
        (
            "gone.test",
            |issuer, site| {
                std::fs::remove_file(issuer.path(site).join("privkey.pem")).unwrap();
            },
            "privkey.pem",
        ),
    ];
    let issuer = Issuer::new();
    let sites = rows.map(|(host, ..)| site(host, &issuer.files(&[host])));
    let gateway = Gateway::start(&config(sites)).await;
    let mut before = Vec::new();
    for (host, ..) in rows {
        before.push(shown(&issuer.client(&gateway, host)).await);
    }
    for (host, harm, _) in rows {
        harm(&issuer, host);
    }
    for ((host, _, why), before) in rows.iter().zip(&before) {
        eventually(10, async || renewals(&gateway, &issuer, host, "failed")).await;
        assert_eq!(shown(&issuer.client(&gateway, host)).await, *before, "{host}: the old one stays");
        let told = told(&gateway, host).await;
        assert_eq!(told["state"], "failing", "{told:#}");
        assert!(told["last_error"].as_str().is_some_and(|error| error.contains(why)), "{host}: {told:#}");
        assert!(!told.to_string().contains("PRIVATE"), "no key is shown");
    }
    for (host, ..) in rows {
        let mended = issuer.authority.issue(&[host]);
        issuer.put(host, &mended);
        becomes(&issuer.client(&gateway, host), &mended).await;
        let told =
            eventually(10, async || Some(told(&gateway, host).await).filter(|told| told["state"] == "valid"))
                .await;
        assert_eq!(told["last_error"], Value::Null, "{told:#}");
        assert_eq!(renewals(&gateway, &issuer, host, "failed"), Some(1.0), "{host}: once for each mistake");
    }
}

/// First the certificate loses the name, then the config: the order in which it is done by hand.
#[tokio::test]
async fn a_name_that_is_given_up_is_given_up_by_the_config_too() {
    let issuer = Issuer::new();
    let two = |hosts: &str| {
        config([])
            + &format!(
                "  - {{ name: site, hosts: [{hosts}], tls: {{ {} }}, routes: [{{ respond: {{ body: hello }} }}] }}\n",
                files(&issuer.path("site"))
            )
    };
    let both = issuer.authority.issue(&["one.test", "two.test"]);
    issuer.put("site", &both);
    let mut gateway = Gateway::start(&two("one.test, two.test")).await;
    let fewer = issuer.authority.issue(&["one.test"]);
    issuer.put("site", &fewer);
    eventually(10, async || renewals(&gateway, &issuer, "site", "failed")).await;
    let client = issuer.client(&gateway, "one.test");
    assert_eq!(shown(&client).await, both.certificate().serial());
    gateway.reload(&two("one.test")).await.unwrap();
    assert_eq!(shown(&client).await, fewer.certificate().serial());
    assert_eq!(told(&gateway, "site").await["state"], "valid");
}
