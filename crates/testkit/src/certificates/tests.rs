//! What is issued holds what was asked for, by the judgement of the library that clients check it with.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::*;

/// What a client that trusts `authority` finds wrong with `identity` as the server `name`.
fn verdict(authority: &Authority, identity: &Identity, name: &str) -> String {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(authority.roots()), provider);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let chain = identity.chain();
    let verified =
        verifier.build().unwrap().verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now());
    verified.map_or_else(|error| error.to_string(), |_| "fine".to_owned())
}

#[test]
fn clients_judge_certificates_as_they_were_meant() {
    let authority = Authority::new();
    let names = &["app.example.com", "*.pages.example.com", "127.0.0.1", "::1"];
    let tomorrow = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
    let plain = || authority.certificate(names);
    let table = [
        ("a name", plain().issue(), "app.example.com", "fine"),
        ("a wildcard", plain().issue(), "a.pages.example.com", "fine"),
        ("an address", plain().issue(), "127.0.0.1", "fine"),
        ("an IPv6 address", plain().issue(), "::1", "fine"),
        ("another name", plain().issue(), "example.com", "not valid for name"),
        ("RSA", plain().rsa().issue(), "app.example.com", "fine"),
        ("through an intermediate", plain().through_intermediate().issue(), "app.example.com", "fine"),
        (
            "an intermediate that is not sent",
            plain().through_intermediate().issue().without_chain(),
            "app.example.com",
            "UnknownIssuer",
        ),
        ("expired", plain().expired().issue(), "app.example.com", "expired"),
        ("not yet valid", plain().not_yet_valid().issue(), "app.example.com", "not valid yet"),
        ("from tomorrow", plain().not_before(tomorrow).issue(), "app.example.com", "not valid yet"),
        ("until tomorrow", plain().not_after(tomorrow).issue(), "app.example.com", "fine"),
        ("a client's", plain().client("alice").issue(), "app.example.com", "extended key usage"),
        ("another authority's", Authority::new().issue(names), "app.example.com", "UnknownIssuer"),
    ];
    for (what, identity, name, expected) in table {
        let verdict = verdict(&authority, &identity, name);
        assert!(verdict.contains(expected), "{what}: expected `{expected}`, but came `{verdict}`");
    }
}

#[test]
fn a_certificate_tells_what_stands_in_it() {
    let authority = Authority::new();
    let issue = authority.certificate(&["a.test", "127.0.0.1", "::1"]);
    let identity = issue.common_name("alice").organization("Example").serial(0x8001).issue();
    let certificate = identity.certificate();
    assert_eq!(certificate.subject(), "CN=alice, O=Example");
    assert_eq!(certificate.serial(), "8001");
    assert_eq!(certificate.names(), ["a.test", "127.0.0.1", "::1"]);
    assert_eq!(certificate.fingerprint().len(), 64);
    assert!(certificate.issuer().starts_with("CN=Headwall test root "), "{}", certificate.issuer());
    assert_ne!(authority.issue(&["a.test"]).certificate().serial(), identity.certificate().serial());
}

#[test]
fn files_are_laid_out_as_certbot_does() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let first = authority.certificate(&["a.test"]).through_intermediate().issue();
    let (chain, key) = first.write(dir.path());
    assert_eq!(chain, dir.path().join("fullchain.pem"));
    assert_eq!(key, dir.path().join("privkey.pem"));
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

    let second = authority.certificate(&["a.test"]).through_intermediate().issue();
    second.write(dir.path());
    let read: Vec<_> = CertificateDer::pem_file_iter(&chain).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, second.chain(), "the renewed chain, the intermediate included");
    assert_eq!(PrivateKeyDer::from_pem_file(&key).unwrap(), second.key());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing else is left behind: {left:?}");

    let root = CertificateDer::from_pem_file(authority.write(dir.path())).unwrap();
    assert_eq!(root, authority.root);
}

#[test]
fn keys_do_not_show() {
    let identity = Authority::new().issue(&["a.test"]);
    let shown = format!("{identity:?}");
    assert!(shown.contains("a.test") && !shown.contains("key"), "{shown}");
    assert!(
        identity.pem().starts_with(&identity.key_pem()) && identity.pem().ends_with(&identity.chain_pem())
    );
}
