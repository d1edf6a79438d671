//! What OpenSSL says of us, in versions and ways that no library of ours would try.

use std::process::Stdio;

use headwall_testkit::{Gateway, eventually, within};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::super::{Issuer, config, failures, handshakes, site};
use super::{Local, skip, text};

/// Asks for `/` through `openssl s_client`, and gives all that it says.
async fn s_client(gateway: &Gateway, host: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &gateway.address().to_string(), "-servername", host, "-ign_eof"]);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip("openssl");
            return None;
        }
        Err(error) => panic!("openssl: {error}"),
    };
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut stdin = child.stdin.take().unwrap();
    // Where the handshake fails it does not read.
    drop(stdin.write_all(request.as_bytes()).await);
    let output = within(10, child.wait_with_output()).await.unwrap();
    drop(stdin);
    Some(text(&output))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_tls_1_2_is_refused() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    for (n, version) in ["-tls1", "-tls1_1"].into_iter().enumerate() {
        let said = s_client(&gateway, "app.test", &[version, "-cipher", "DEFAULT@SECLEVEL=0"]).await;
        let Some(said) = said else { return };
        // `protocol_version`, or `handshake_failure` because such a client names no signature algorithms.
        assert!(said.contains("alert number 70") || said.contains("alert number 40"), "{version}: {said}");
        assert!(!said.contains("200 OK"), "{version}: {said}");
        eventually(10, async || (failures(&gateway, "incompatible") == (n + 1) as f64).then_some(())).await;
    }
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(&gateway, "app.test", &[version]).await.unwrap();
        assert!(said.contains(&format!("New, {name}")) && said.contains("200 OK"), "{version}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_compared_whatever_their_case() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    let Some(said) = s_client(&gateway, "APP.Test", &[]).await else { return };
    assert!(said.contains("200 OK") && said.contains("CN = app.test"), "{said}");
    let said = s_client(&gateway, "other.test", &[]).await.unwrap();
    assert!(said.contains("alert number 112"), "unrecognized_name: {said}");
}

/// Who has a certificate for old clients beside one for the others gets both served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_kinds_of_key_the_client_gets_the_one_that_it_can_use() {
    let issuer = Issuer::new();
    let new = issuer.put("ecdsa", &issuer.authority.certificate(&["app.test"]).organization("ECDSA").issue());
    let old =
        issuer.put("rsa", &issuer.authority.certificate(&["app.test"]).organization("RSA").rsa().issue());
    let gateway =
        Gateway::start(&config([site("app.test", &format!("certificates: [{{ {new} }}, {{ {old} }}]"))]))
            .await;
    let rows: [(&[&str], &str, &str); 6] = [
        (&[], "ECDSA", "the first of two"),
        (&["-tls1_2"], "ECDSA", "the first of two in TLS 1.2"),
        (&["-sigalgs", "RSA-PSS+SHA256"], "RSA", "signatures"),
        (&["-tls1_2", "-sigalgs", "RSA+SHA256"], "RSA", "signatures in TLS 1.2"),
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "RSA", "suites"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDSA", "suites of the other kind"),
    ];
    for (args, expected, row) in rows {
        let Some(said) = s_client(&gateway, "app.test", args).await else { return };
        assert!(said.contains(&format!("O = {expected}")) && said.contains("200 OK"), "{row}: {said}");
    }
}

/// Each way to resume: tickets in both versions, and for TLS 1.2 the server's own memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_resumed_with_tickets_and_without() {
    let issuer = Issuer::new();
    let off = format!("{}, session_tickets: false", issuer.files(&["off.test"]));
    let sites = [site("app.test", &issuer.files(&["app.test"])), site("off.test", &off)];
    let gateway = Gateway::start(&config(sites)).await;
    let rows: [(&str, &[&str], bool, &str); 6] = [
        ("app.test", &["-tls1_3"], true, "TLS 1.3"),
        ("app.test", &["-tls1_2"], true, "a ticket of TLS 1.2"),
        ("app.test", &["-tls1_2", "-no_ticket"], true, "a session of TLS 1.2 that we remember"),
        ("off.test", &["-tls1_3"], false, "TLS 1.3, switched off"),
        ("off.test", &["-tls1_2"], false, "TLS 1.2, switched off"),
        ("off.test", &["-tls1_2", "-no_ticket"], false, "no memory either"),
    ];
    let session = issuer.path("session.pem").display().to_string();
    for (host, version, resumed, row) in rows {
        drop(std::fs::remove_file(&session));
        let first = [version, &["-sess_out", &session][..]].concat();
        let Some(said) = s_client(&gateway, host, &first).await else { return };
        assert!(said.contains("New, TLSv1.") && said.contains("200 OK"), "{row}: {said}");
        if !std::path::Path::new(&session).exists() {
            assert!(!resumed, "{row}: there is nothing to resume: {said}");
            continue;
        }
        let said = s_client(&gateway, host, &[version, &["-sess_in", &session][..]].concat()).await.unwrap();
        assert_eq!(said.contains("Reused, TLSv1."), resumed, "{row}: {said}");
        assert!(said.contains("200 OK"), "{row}: {said}");
    }
    assert_eq!((handshakes(&gateway, "TLSv1.3", true), handshakes(&gateway, "TLSv1.2", true)), (1.0, 2.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_authoritys_certificates_hold_for_names_and_addresses() {
    let local = Local::start().await;
    let root = local.root().display().to_string();
    let by_name = ["-CAfile", &root, "-verify_return_error", "-verify_hostname", "app.test", "-x509_strict"];
    let Some(said) = s_client(&local.gateway, "app.test", &by_name).await else { return };
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("200 OK"), "{said}");
    let by_address = ["-CAfile", &root, "-verify_return_error", "-verify_ip", "127.0.0.1", "-noservername"];
    let said = {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &local.gateway.address().to_string()]).args(by_address);
        text(&within(10, command.stdin(Stdio::null()).output()).await.unwrap())
    };
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_asked_for_and_taken() {
    let issuer = Issuer::new();
    let tls = format!(
        "{}, client_auth: {{ ca: \"{}\" }}",
        issuer.files(&["app.test"]),
        issuer.path("ca.pem").display()
    );
    let gateway = Gateway::start(&config([site("app.test", &tls)])).await;
    let dir = issuer.path("alice");
    std::fs::create_dir(&dir).unwrap();
    let (chain, key) = issuer.authority.issue_client("alice").write(&dir);
    for version in ["-tls1_2", "-tls1_3"] {
        let args = [version, "-cert", &chain.display().to_string(), "-key", &key.display().to_string()];
        let Some(said) = s_client(&gateway, "app.test", &args).await else { return };
        assert!(
            said.contains("Acceptable client certificate CA names") && said.contains("200 OK"),
            "{version}: {said}"
        );
        let said = s_client(&gateway, "app.test", &[version]).await.unwrap();
        assert!(!said.contains("200 OK"), "{version}: {said}");
    }
    eventually(10, async || (failures(&gateway, "client_certificate") == 2.0).then_some(())).await;
}
