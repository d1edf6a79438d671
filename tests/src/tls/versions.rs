//! What client and site agree on: version, cipher suite, key exchange, and the protocol on top.

use headwall_testkit::{Gateway, TLS12, TLS13};

use super::{Issuer, config, failures, handshakes, site};

#[tokio::test]
async fn two_versions_are_spoken_and_a_site_may_want_the_newer_one() {
    let issuer = Issuer::new();
    let strict = format!("{}, min_version: 1.3", issuer.files(&["strict.test"]));
    let gateway = Gateway::start(&config([
        site("app.test", &issuer.files(&["app.test"])),
        site("strict.test", &strict),
    ]))
    .await;
    let client = |host| issuer.client(&gateway, host);
    for (host, versions, expected, row) in [
        ("app.test", &[&TLS13, &TLS12][..], "TLSv1_3", "the newer one of two"),
        ("app.test", &[&TLS12], "TLSv1_2", "the only one"),
        ("strict.test", &[&TLS13], "TLSv1_3", "the one that is wanted"),
    ] {
        let reply = client(host).versions(versions).get("/").send().await;
        assert_eq!(reply.handshake().version, expected, "{row}");
    }
    let old = client("strict.test").versions(&[&TLS12]).handshake().await.unwrap_err();
    assert_eq!(old.alert().as_deref(), Some("ProtocolVersion"), "{old}");
    assert_eq!(failures(&gateway, "incompatible"), 1.0);
    assert_eq!((handshakes(&gateway, "TLSv1.3", false), handshakes(&gateway, "TLSv1.2", false)), (2.0, 1.0));
}

#[tokio::test]
async fn the_ciphers_of_a_site_are_the_ones_that_it_names() {
    let issuer = Issuer::new();
    let rows = [
        (
            "aes128.test",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS13_AES_256_GCM_SHA384",
        ),
        (
            "chacha.test",
            "[TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_CHACHA20_POLY1305_SHA256]",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS13_CHACHA20_POLY1305_SHA256",
        ),
        (
            "any.test",
            "\"HIGH:!aNULL:!MD5\"",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS13_AES_256_GCM_SHA384",
        ),
    ];
    let sites =
        rows.map(|(host, ciphers, ..)| site(host, &format!("{}, ciphers: {ciphers}", issuer.files(&[host]))));
    let only_13 = format!("{}, ciphers: TLS_AES_128_GCM_SHA256", issuer.files(&["new.test"]));
    let gateway = Gateway::start(&config(sites.into_iter().chain([site("new.test", &only_13)]))).await;
    for (host, _, in_12, in_13) in rows {
        for (version, expected) in [(&TLS12, in_12), (&TLS13, in_13)] {
            let client = issuer.client(&gateway, host).versions(&[version]);
            let agreed = client.handshake().await.unwrap();
            assert_eq!(agreed.cipher_suite, expected, "{host}");
        }
    }
    let client = issuer.client(&gateway, "new.test");
    assert_eq!(client.handshake().await.unwrap().cipher_suite, "TLS13_AES_128_GCM_SHA256");
    let old = client.versions(&[&TLS12]).handshake().await.unwrap_err();
    assert_eq!(old.alert().as_deref(), Some("ProtocolVersion"), "no suite of TLS 1.2 is named: {old}");
}

#[tokio::test]
async fn keys_are_exchanged_so_that_a_quantum_computer_reads_nothing() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    let agreed = issuer.client(&gateway, "app.test").handshake().await.unwrap();
    assert_eq!(agreed.key_exchange.as_deref(), Some("X25519MLKEM768"));
    let old = issuer.client(&gateway, "app.test").versions(&[&TLS12]).handshake().await.unwrap();
    assert_eq!(old.key_exchange.as_deref(), Some("X25519"), "TLS 1.2 has no such thing");
}

#[tokio::test]
async fn the_protocol_on_top_is_the_best_that_both_speak() {
    let issuer = Issuer::new();
    let listeners = "listeners: [{ address: \"127.0.0.1:0\", tls: true }, { address: \"127.0.0.1:0\", tls: true, http2: false }]\n";
    let yaml = format!("{listeners}sites:\n{}", site("app.test", &issuer.files(&["app.test"])));
    let gateway = Gateway::start(&yaml).await;
    let rows: [(usize, &[&str], Option<&str>); 8] = [
        (0, &["h2", "http/1.1"], Some("h2")),
        (0, &["http/1.1", "h2"], Some("h2")),
        (0, &["http/1.1"], Some("http/1.1")),
        (0, &["spdy/3", "http/1.1"], Some("http/1.1")),
        (0, &["http/1.0"], Some("http/1.0")),
        (0, &[], None),
        (1, &["h2", "http/1.1"], Some("http/1.1")),
        (1, &[], None),
    ];
    for (listener, offered, expected) in rows {
        let client = gateway.client_at(listener).tls(&issuer.authority).server_name("app.test").alpn(offered);
        let reply = client.get("/").send().await;
        assert_eq!(reply.handshake().alpn.as_deref(), expected, "listener {listener}: {offered:?}");
        let version = if expected == Some("h2") { http::Version::HTTP_2 } else { http::Version::HTTP_11 };
        assert_eq!(reply.version, version, "listener {listener}: {offered:?}");
    }
    for (listener, offered) in [(0, "spdy/3"), (1, "h2")] {
        let client =
            gateway.client_at(listener).tls(&issuer.authority).server_name("app.test").alpn(&[offered]);
        let refused = client.handshake().await.unwrap_err();
        assert_eq!(refused.alert().as_deref(), Some("NoApplicationProtocol"), "{offered}: {refused}");
    }
    assert_eq!(failures(&gateway, "incompatible"), 2.0);
}
