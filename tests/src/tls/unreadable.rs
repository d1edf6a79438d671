//! Certificates that cannot be read, or that anybody can read: at a start, at a check, at a reload.

use std::os::unix::fs::PermissionsExt as _;

use headwall_testkit::{Client, Gateway, eventually};

use super::{Issuer, config, failures, files, process, site};
use crate::command_line::process::{dir_with, headwall};

#[tokio::test]
async fn at_a_start_it_costs_its_own_site_only_until_it_can_be_read() {
    let issuer = Issuer::new();
    let good = issuer.files(&["good.test"]);
    let missing = issuer.path("late.test");
    std::fs::create_dir(&missing).unwrap();
    let gateway =
        Gateway::start(&config([site("late.test", &files(&missing)), site("good.test", &good)])).await;
    issuer.client(&gateway, "good.test").get("/").send().await.assert_status(200);
    let late = issuer.client(&gateway, "late.test");
    assert_eq!(late.handshake().await.unwrap_err().alert().as_deref(), Some("InternalError"));
    assert_eq!(failures(&gateway, "no_certificate"), 1.0);
    let told = &gateway.admin("/certificates").await.json()[0];
    assert_eq!(told["state"], "failing", "{told:#}");
    assert!(told["last_error"].as_str().unwrap().contains("late.test/fullchain.pem"), "{told:#}");

    issuer.files(&["late.test"]);
    eventually(10, async || late.get("/").try_send().await.ok()).await.assert_text("late.test");
}

#[tokio::test]
async fn the_log_says_which_files_at_a_start() {
    let issuer = Issuer::new();
    let identity = issuer.authority.issue(&["app.test"]);
    let other = issuer.authority.issue(&["app.test"]);
    let rows = [
        ("mismatch", identity.with_key_of(&other), "mismatch/privkey.pem"),
        ("old", issuer.authority.certificate(&["old.test"]).expired().issue(), "has expired"),
    ];
    for (place, identity, said) in rows {
        let mut process = process(&config([site("app.test", &issuer.put(place, &identity))])).await;
        let line = process.heard().iter().find(|line| line.contains(said)).cloned();
        let line = line.unwrap_or_else(|| panic!("{said} in:\n{}", process.heard().join("\n")));
        assert!(line.contains("ERROR"), "{line}");
        process.signal("TERM").await;
        assert_eq!(process.ended().await, Some(0));
    }
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_used_with_a_warning() {
    let issuer = Issuer::new();
    let files = issuer.files(&["app.test"]);
    let key = issuer.path("app.test").join("privkey.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let process = process(&config([site("app.test", &files)])).await;
    let warning = process.heard().iter().find(|line| line.contains("every user of this machine"));
    let warning = warning.unwrap_or_else(|| panic!("no warning in:\n{}", process.heard().join("\n")));
    assert!(warning.contains("WARN") && warning.contains(&key.display().to_string()), "{warning}");
    let client = Client::to(process.address()).tls(&issuer.authority).server_name("app.test");
    client.get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn a_host_that_no_certificate_is_for_is_told() {
    let issuer = Issuer::new();
    let (one, wild) = (issuer.files(&["one.test"]), issuer.files(&["*.test"]));
    let yaml = config([])
        + &format!(
            "  - {{ name: site, hosts: [one.test, two.test, \"*.other.test\"], tls: {{ certificates: [{{ {one} }}, {{ {wild} }}] }} }}\n"
        );
    let process = process(&yaml).await;
    let told: Vec<_> = process.heard().iter().filter(|line| line.contains("no certificate is for")).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("WARN") && told[0].contains("`*.other.test`"), "{told:#?}");
}

#[tokio::test]
async fn a_check_says_where_the_mistake_is() {
    let issuer = Issuer::new();
    let dir = dir_with("ca.pem", "no certificate");
    let (identity, other) = (issuer.authority.issue(&["app.test"]), issuer.authority.issue(&["app.test"]));
    let good = issuer.put("good", &identity);
    let rows = [
        (files(&issuer.path("missing")), 5, 25, "missing/fullchain.pem: No such file"),
        (issuer.put("mismatch", &identity.with_key_of(&other)), 5, 25, "mismatch/privkey.pem"),
        (
            format!("{good}, ciphers: ECDHE-ECDSA-AES128-GCM-SHA265"),
            5,
            0,
            "did you mean `ECDHE-ECDSA-AES128-GCM-SHA256`",
        ),
        (format!("{good}, ciphers: [ECDHE-ECDSA-AES128-GCM-SHA256, modern]"), 5, 0, "was `modern`"),
        (format!("{good}, client_auth: {{ ca: ca.pem }}"), 5, 0, "expected certificates in PEM"),
        (format!("{good}, client_auth: {{ ca: nowhere.pem }}"), 5, 0, "nowhere.pem"),
    ];
    for (tls, line, column, said) in rows {
        let yaml = format!(
            "listeners:\n  - {{ address: \"127.0.0.1:0\", tls: true }}\nsites:\n  - hosts: [app.test]\n    tls: {{ {tls} }}\n    \
             routes: [{{ respond: {{ body: hello }} }}]\n"
        );
        std::fs::write(dir.path().join("tls.yaml"), &yaml).unwrap();
        let checked = headwall(dir.path(), &["check", "tls.yaml"]).await;
        assert_eq!(checked.code, Some(1), "{tls}: {}", checked.err);
        assert!(checked.err.contains(said), "{said}:\n{}", checked.err);
        let place =
            if column > 0 { format!("tls.yaml:{line}:{column}\n") } else { format!("tls.yaml:{line}:") };
        assert!(checked.err.contains(&place), "{place} in:\n{}", checked.err);
        assert!(!checked.err.contains("PRIVATE KEY"), "no key is shown");
    }
}

#[tokio::test]
async fn a_reload_that_names_what_cannot_be_read_changes_nothing() {
    let issuer = Issuer::new();
    let good = site("good.test", &issuer.files(&["good.test"]));
    let mut gateway = Gateway::start(&config([good.clone()])).await;
    let refused =
        gateway.reload(&config([good.clone(), site("new.test", &files(&issuer.path("new")))])).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("new/fullchain.pem") && why.contains("test.yaml:"), "{why}");
    issuer.client(&gateway, "good.test").get("/").send().await.assert_status(200);
    let new = issuer.client(&gateway, "new.test");
    assert_eq!(new.handshake().await.unwrap_err().alert().as_deref(), Some("UnrecognisedName"));

    issuer.put("new", &issuer.authority.issue(&["new.test"]));
    gateway.reload(&config([good, site("new.test", &files(&issuer.path("new")))])).await.unwrap();
    new.get("/").send().await.assert_text("new.test");
}
