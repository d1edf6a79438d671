//! What testssl.sh finds in a server that was left as it is.

use headwall_testkit::Gateway;
use serde_json::Value;

use super::super::{Issuer, LISTENERS};
use super::run;

/// What testssl.sh holds against a certificate of a test's own authority, and not against us.
const THE_CAS: [&str; 1] = ["cert_revocation"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn testssl_finds_nothing_of_note() {
    let issuer = Issuer::new();
    let yaml = format!(
        "{LISTENERS}sites: [{{ hosts: [localhost], tls: {{ {} }}, filters: [{{ security_headers: {{}} }}], routes: [{{ respond: {{ \
         body: hello }} }}] }}]\n",
        issuer.files(&["localhost"])
    );
    let gateway = Gateway::start(&yaml).await;
    let file = issuer.path("findings.json");
    let options = "--quiet --color 0 --warnings off --nodns none --ip 127.0.0.1 -p -s -f -P -S -h -U";
    let (json, ca) = (file.display().to_string(), issuer.path("ca.pem").display().to_string());
    let url = format!("https://localhost:{}", gateway.address().port());
    let args: Vec<_> = options.split(' ').chain(["--jsonfile", &json, "--add-ca", &ca, &url]).collect();
    let Some(output) = run("testssl", &args, 600).await else { return };
    let findings = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("no findings: {error}\n{}", super::text(&output)));
    let findings: Vec<Value> = serde_json::from_str(&findings).unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();

    let held: Vec<_> = findings
        .iter()
        .filter(|finding| ["MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains(&&*word(finding, "severity")))
        .filter(|finding| !THE_CAS.contains(&&*word(finding, "id")))
        .map(|finding| [word(finding, "severity"), word(finding, "id"), word(finding, "finding")].join(" "))
        .collect();
    assert!(held.is_empty(), "testssl.sh holds against us:\n{}", held.join("\n"));

    // It has looked, and at us.
    for (id, expected) in [
        ("TLS1_1", "not offered"),
        ("TLS1_2", "offered"),
        ("TLS1_3", "offered"),
        ("ALPN_HTTP2", "h2"),
        ("cipher_order", "server"),
        ("cert_chain_of_trust", "passed"),
        ("cert_trust", "Ok"),
        ("heartbleed", "not vulnerable"),
        ("ROBOT", "not vulnerable"),
    ] {
        let found = findings.iter().find(|finding| finding["id"] == id);
        let found = found.unwrap_or_else(|| panic!("nothing is said of {id}:\n{}", super::text(&output)));
        assert!(word(found, "finding").contains(expected), "{id}: {found:#}");
    }
}
