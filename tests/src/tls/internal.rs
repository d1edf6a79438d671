//! The local authority: certificates for names that no CA signs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use headwall_testkit::{Gateway, TLS12, TLS13, Trust};
use tempfile::{TempDir, tempdir};

use super::{LISTENERS, process_in};
use crate::command_line::process::headwall;

/// Names on one site, and whoever else is asked for on another.
fn config(storage: &Path) -> String {
    format!(
        "{LISTENERS}storage: {}\nsites:\n  - {{ hosts: [localhost, \"*.localhost\", app.internal], tls: auto, routes: [{{ \
         respond: {{ body: named }} }}] }}\n  - {{ tls: internal, routes: [{{ respond: {{ body: other }} }}] }}\n",
        storage.display()
    )
}

fn root(storage: &TempDir) -> String {
    std::fs::read_to_string(storage.path().join("state/local/root.pem")).unwrap()
}

#[tokio::test]
async fn every_name_and_address_has_a_certificate_as_soon_as_it_is_asked_for() {
    let storage = tempdir().unwrap();
    let gateway = Gateway::start(&config(&storage.path().join("state"))).await;
    let trust = Trust::pem(&root(&storage));
    let names = ["localhost", "shop.localhost", "app.internal", "whatever.lan", "deep.er.name.test"];
    for (n, name) in names.into_iter().enumerate() {
        let client = gateway.client().tls(trust.clone()).server_name(name);
        let mut serials = Vec::new();
        for version in [&TLS13, &TLS12] {
            let reply = client.clone().versions(&[version]).get("/").send().await;
            reply.assert_status(200).assert_text(if n < 3 { "named" } else { "other" });
            assert_eq!(reply.handshake().certificate().names(), [name]);
            serials.push(reply.handshake().serial());
        }
        assert_eq!(serials[0], serials[1], "{name}: it is made once");
    }
    let by_address = gateway.client().tls(trust).get("/").send().await;
    assert_eq!(by_address.handshake().certificate().names(), ["127.0.0.1"]);
}

#[tokio::test]
async fn the_root_is_kept_for_its_owner_and_over_a_restart() {
    let storage = tempdir().unwrap();
    let state = storage.path().join("state");
    let mut roots = Vec::new();
    for _ in 0..2 {
        let gateway = Gateway::start(&config(&state)).await;
        roots.push(root(&storage));
        let client = gateway.client().tls(Trust::pem(&roots[0])).server_name("localhost");
        client.get("/").send().await.assert_status(200);
        gateway.stop().await;
    }
    assert_eq!(roots[0], roots[1]);
    for (path, expected) in
        [(state.clone(), 0o700), (state.join("local"), 0o700), (state.join("local/root.key"), 0o600)]
    {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{}: {mode:o}", path.display());
    }
}

#[tokio::test]
async fn another_storage_is_another_authority() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let gateway = Gateway::start(&config(&one.path().join("state"))).await;
    let other = Gateway::start(&config(&two.path().join("state"))).await;
    assert_ne!(root(&one), root(&two));
    let trusting_one = Trust::pem(&root(&one));
    gateway
        .client()
        .tls(trusting_one.clone())
        .server_name("localhost")
        .get("/")
        .send()
        .await
        .assert_status(200);
    assert!(other.client().tls(trusting_one).server_name("localhost").handshake().await.is_err());
}

#[tokio::test]
async fn its_root_is_installed_and_taken_away_again() {
    let dir = tempdir().unwrap();
    let anchors = dir.path().join("anchors");
    std::fs::create_dir(&anchors).unwrap();
    std::fs::write(dir.path().join("headwall.yaml"), config(Path::new("state"))).unwrap();
    let installed =
        || std::fs::read_dir(&anchors).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let run = async |command: &str| {
        headwall(dir.path(), &[command, "--config", "headwall.yaml", "--into", "anchors"]).await
    };

    let trusted = run("trust").await;
    assert_eq!(trusted.code, Some(0), "{}", trusted.err);
    let files = installed();
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files[0].file_name().unwrap().to_string_lossy();
    assert!(file.starts_with("headwall-local-authority-") && file.ends_with(".crt"), "{file}");
    assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), root(&dir), "and nothing else, above all no key");

    let pem = std::fs::read_to_string(&files[0]).unwrap();
    let once_more = run("trust").await;
    assert_eq!((once_more.code, installed().len()), (Some(0), 1), "{}", once_more.err);
    let untrusted = run("untrust").await;
    assert_eq!((untrusted.code, installed().len()), (Some(0), 0), "{}", untrusted.err);
    let again = run("untrust").await;
    assert_eq!(again.code, Some(0), "there is nothing to take away: {}", again.err);

    let process = process_in(dir, &config(Path::new("state"))).await;
    let client =
        headwall_testkit::Client::to(process.address()).tls(Trust::pem(&pem)).server_name("localhost");
    client.get("/").send().await.assert_text("named");
}
