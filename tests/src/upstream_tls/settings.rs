//! What is said of TLS in the config, and the files that it names.

use std::fs;

use headwall_testkit::{Authority, Gateway, Origin};

use super::{Trust, config, in_front_of, process};
use crate::command_line::process::{dir_with, headwall};

/// The first line of the error that a config with these lines is refused with, and the place.
async fn refused(lines: &str) -> String {
    let dir = dir_with("headwall.yaml", lines);
    let checked = headwall(dir.path(), &["check", "headwall.yaml"]).await;
    assert_eq!(checked.code, Some(1), "{lines}\n{}", checked.err);
    checked.err
}

#[tokio::test]
async fn a_setting_that_cannot_be_meant_is_refused_at_its_place() {
    let rows = [
        (
            "servers: [\"https://a.test\", \"http://b.test\"]",
            "3:10",
            "expected `https://` before all servers or none: `b.test:80` has none and `https://a.test:443` has it",
        ),
        (
            "servers: [\"ftp://a.test\"]",
            "3:20",
            "expected `https://`, `http://` or no scheme, was `ftp://a.test`",
        ),
        (
            "servers: [\"https://a.test/app\"]",
            "3:20",
            "expected nothing behind the port, was `https://a.test/app`",
        ),
        (
            "servers: [\"https://a.test\"], tls: { server_name: \"\" }",
            "3:59",
            "expected a host name or an IP address, was ``",
        ),
        (
            "servers: [\"https://a.test\"], tls: { server_name: \"a b\" }",
            "3:59",
            "expected a host name or an IP address, was `a b`",
        ),
        ("servers: [\"a.test:80\"], tls: {}", "3:34", "expected servers with `https://`"),
        ("servers: [\"https://a.test\"], tls: { certificate: a.pem }", "3:59", "expected `key` beside it"),
        ("servers: [\"https://a.test\"], tls: { key: a.pem }", "3:51", "expected `certificate` beside it"),
        ("servers: [\"https://a.test\"], protocol: http3", "3:49", "http3"),
        ("servers: [\"a.test:80\"], proxy_protocol: v3", "3:50", "v3"),
        (
            "servers: [\"https://a.test\"], tls: { insecure_skip_verfy: true }",
            "3:46",
            "did you mean `insecure_skip_verify`?",
        ),
    ];
    for (settings, place, sentence) in rows {
        let error = refused(&format!(
            "sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]\nupstreams:\n  app: {{ {settings} }}\n"
        ))
        .await;
        assert!(
            error.contains(&format!("headwall.yaml:{place}\n")),
            "{settings}: {place} is not in:\n{error}"
        );
        assert!(error.contains(sentence), "{settings}: {sentence:?} is not in:\n{error}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_what_is_wrong_with_it() {
    let trust = Trust::new();
    let identity = trust.authority.issue_client("headwall");
    let (certificate, key) = identity.write(trust.dir());
    let file = |name: &str, text: &str| {
        let path = trust.dir().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let missing = trust.dir().join("missing.pem");
    let (empty, garbage) = (file("empty.pem", ""), file("garbage.pem", "I am no PEM"));
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let cut = file("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let anothers = file("anothers.pem", &trust.authority.issue_client("other").key_pem());
    let rows = [
        (format!("ca: {missing:?}"), &missing, "cannot be read: No such file or directory"),
        (format!("ca: {empty:?}"), &empty, "expected at least one `-----BEGIN CERTIFICATE-----`, found none"),
        (
            format!("ca: {garbage:?}"),
            &garbage,
            "expected at least one `-----BEGIN CERTIFICATE-----`, found none",
        ),
        (format!("ca: {key:?}"), &key, "expected at least one `-----BEGIN CERTIFICATE-----`, found none"),
        (format!("ca: {broken:?}"), &broken, "certificate 1 in it cannot be used"),
        (format!("ca: {cut:?}"), &cut, "expected PEM"),
        (format!("certificate: {missing:?}, key: {key:?}"), &missing, "cannot be read"),
        (format!("certificate: {certificate:?}, key: {missing:?}"), &missing, "cannot be read"),
        (format!("certificate: {broken:?}, key: {key:?}"), &broken, "certificate 1 in it cannot be used"),
        (
            format!("certificate: {certificate:?}, key: {empty:?}"),
            &empty,
            "expected an unencrypted private key",
        ),
        (
            format!("certificate: {certificate:?}, key: {certificate:?}"),
            &certificate,
            "expected an unencrypted private key",
        ),
        (
            format!("certificate: {certificate:?}, key: {anothers:?}"),
            &anothers,
            "does not belong to the certificate",
        ),
    ];
    for (tls, path, sentence) in rows {
        let yaml = config("https://a.test", &format!("tls: {{ {tls} }}"));
        let error = Gateway::config(&yaml).try_start().await.unwrap_err();
        let expected = format!("{}: ", path.display());
        assert!(
            error.contains(&expected) && error.contains(sentence),
            "{expected}{sentence} is not in:\n{error}"
        );
    }
}

#[tokio::test]
async fn what_works_and_should_not_be_like_that_is_told_once() {
    let trust = Trust::new();
    let (certificate, key) = trust.authority.issue_client("headwall").write(trust.dir());
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let settings =
        format!("tls: {{ insecure_skip_verify: true, certificate: {certificate:?}, key: {key:?} }}");
    let mut server = process("https://127.0.0.1:1", &settings);
    let line = server.hears("insecure_skip_verify").await;
    assert!(line.contains("upstream app") && line.contains("WARN"), "{line}");
    let line = server.hears("everybody may read this key").await;
    assert!(line.contains(&key.display().to_string()) && line.contains("WARN"), "{line}");
}

#[tokio::test]
async fn a_reload_reads_the_files_again() {
    let (trust, next) = (Trust::new(), Authority::new());
    let identity = next.issue(&["127.0.0.1"]);
    let origin = Origin::builder().otherwise("hello").tls(&identity).start().await;
    let yaml = config(&origin.url(), &format!("tls: {{ {} }}", trust.ca()));
    let mut gateway = in_front_of(&origin.url(), &format!("tls: {{ {} }}", trust.ca())).start().await;
    gateway.client().get("/").send().await.assert_status(502);

    next.write(trust.dir());
    gateway.client().get("/").send().await.assert_status(502);
    gateway.reload(&yaml).await.unwrap();
    gateway.client().get("/").send().await.assert_status(200).assert_text("hello");

    fs::write(trust.dir().join("ca.pem"), "half a file").unwrap();
    let error = gateway.reload(&yaml).await.unwrap_err().to_string();
    assert!(error.contains("ca.pem: expected at least one"), "{error}");
    gateway.client().get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn a_reload_ends_the_trust_in_an_authority_that_is_gone() {
    let trust = Trust::new();
    let origin = trust.origin().start().await;
    let settings = format!("tls: {{ {} }}", trust.ca());
    let mut gateway = in_front_of(&origin.url(), &settings).start().await;
    gateway.client().get("/").send().await.assert_status(200);
    Authority::new().write(trust.dir());
    gateway.reload(&config(&origin.url(), &settings)).await.unwrap();
    gateway.client().get("/").send().await.assert_status(502);
    assert_eq!(origin.hits(), 1, "the connection that is still open is nobody's any more");
}
