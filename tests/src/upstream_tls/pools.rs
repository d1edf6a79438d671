//! Which connections are kept for whom: those that were made under other terms are other connections.

use headwall_testkit::{Gateway, Origin};

use super::Trust;

/// Which connection of the origin a request came on.
fn connections(origin: &Origin) -> Vec<usize> {
    origin.requests().iter().map(|seen| seen.connection).collect()
}

/// Two upstreams with the same server.
async fn two_upstreams(server: &str, one: &str, two: &str) -> Gateway {
    let yaml = format!(
        "
        sites:
          - routes:
              - {{ match: {{ path: /one }}, api: {{ upstream: one }} }}
              - {{ match: {{ path: /two }}, api: {{ upstream: two }} }}
        upstreams:
          one: {{ servers: [\"{server}\"], {one} }}
          two: {{ servers: [\"{server}\"], {two} }}
        "
    );
    Gateway::start(&yaml).await
}

#[tokio::test]
async fn a_connection_is_shared_by_those_who_would_have_made_the_same() {
    let trust = Trust::new();
    let other = Trust::new();
    let identities: Vec<_> = ["alice", "bob"]
        .iter()
        .map(|name| {
            let dir = trust.dir().join(name);
            std::fs::create_dir(&dir).unwrap();
            // The same serial number, which is what Pingora would tell them apart by.
            trust.authority.certificate(&[]).client(name).serial(7).issue().write(&dir)
        })
        .collect();
    let ca = trust.ca();
    let both = trust.dir().join("both.pem");
    std::fs::write(&both, trust.authority.pem() + &other.authority.pem()).unwrap();
    let shown = |n: usize| {
        let (certificate, key) = &identities[n];
        format!("tls: {{ {ca}, certificate: {certificate:?}, key: {key:?} }}")
    };
    let plain = format!("tls: {{ {ca} }}");
    let rows = [
        (plain.clone(), plain.clone(), true, "the same settings"),
        (plain.clone(), format!("tls: {{ ca: {both:?} }}"), false, "another set of authorities"),
        (plain.clone(), format!("tls: {{ {ca}, server_name: localhost }}"), false, "another name"),
        (plain.clone(), format!("tls: {{ {ca}, insecure_skip_verify: true }}"), false, "no verification"),
        (plain.clone(), shown(0), false, "a certificate is shown"),
        (shown(0), shown(1), false, "another certificate is shown"),
        (shown(0), shown(0), true, "the same certificate is shown"),
        (plain.clone(), format!("protocol: http2, {plain}"), false, "another protocol"),
        (plain.clone(), format!("protocol: auto, {plain}"), false, "perhaps another protocol"),
    ];
    for (one, two, shared, row) in rows {
        let origin = trust.origin().start().await;
        let gateway = two_upstreams(&origin.url(), &one, &two).await;
        for path in ["/one", "/two", "/one"] {
            gateway.client().get(path).send().await.assert_status(200);
        }
        let expected = if shared { [1, 1, 1] } else { [1, 2, 1] };
        assert_eq!(connections(&origin), expected, "{row}");
    }
}
