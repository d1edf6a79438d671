//! The PROXY protocol in front of connections: a proxy that forwards bytes says who its client is.

use headwall_testkit::{Echo, Gateway, Origin, Wire};

use super::{Issuer, failures};

const HOST: &str = "app.example.com";

/// Version 1 for a client at this address.
fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 198.51.100.9 56324 443\r\n").into_bytes()
}

/// Version 2 with this command, for a client at this address.
fn v2(command: u8, client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend_from_slice(&[0x20 | command, 0x11, 0, 12]);
    header.extend_from_slice(&client);
    header.extend_from_slice(&[198, 51, 100, 9]);
    header.extend_from_slice(&56324_u16.to_be_bytes());
    header.extend_from_slice(&443_u16.to_be_bytes());
    header
}

/// TLS on the first listener, plain HTTP on the second; both expect to be told by `proxies`.
async fn expecting(issuer: &Issuer, origin: &Origin, proxies: &str, more: &str) -> Gateway {
    let yaml = format!(
        "listeners:\n  - {{ address: \"127.0.0.1:0\", tls: true, proxy_protocol: [{proxies}] }}\n  - {{ address: \
         \"127.0.0.1:0\", proxy_protocol: [{proxies}] }}\nsites:\n  - hosts: [{HOST}]\n    tls: {{ {}, redirect: false }}\n    \
         routes: [{{ {more} api: {{ upstream: app }} }}]\nupstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}\n",
        issuer.files(&[HOST])
    );
    Gateway::config(&yaml).variable("APP", origin.address()).start().await
}

#[tokio::test]
async fn the_client_that_is_told_counts_for_the_application_and_the_log() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = expecting(&issuer, &origin, "127.0.0.0/8", "").await;
    let (tls, plain) = (issuer.client(&gateway, HOST), gateway.client_at(1).host(HOST));
    let v6 = b"PROXY TCP6 2001:db8::7 2001:db8::9 56324 443\r\n".to_vec();
    let rows = [
        (tls.clone(), v1("192.0.2.1"), "192.0.2.1", "version 1 in front of TLS"),
        (tls.clone().http2(), v2(1, [192, 0, 2, 2]), "192.0.2.2", "version 2 in front of HTTP/2"),
        (plain.clone(), v1("192.0.2.3"), "192.0.2.3", "version 1 in front of HTTP"),
        (plain.clone(), v2(1, [192, 0, 2, 4]), "192.0.2.4", "version 2 in front of HTTP"),
        (tls.clone(), v6, "2001:db8::7", "IPv6"),
        (tls, v2(0, [192, 0, 2, 5]), "127.0.0.1", "the proxy speaks for itself"),
        (plain, b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", "the proxy does not know"),
    ];
    for (client, header, address, row) in &rows {
        client.clone().preceded_by(header.clone()).get("/").send().await.assert_status(200);
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.header("x-forwarded-for"), Some(*address), "{row}");
        assert_eq!(seen.header("x-real-ip"), Some(*address), "{row}");
    }
    let log = gateway.stop().await;
    let clients: Vec<_> = log.iter().map(|line| line["client"].as_str().unwrap()).collect();
    assert_eq!(clients, rows.map(|(_, _, address, _)| address));
}

#[tokio::test]
async fn every_client_behind_the_proxy_has_a_limit_of_its_own() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let limit = "filters: [{ rate_limit: { rate: 4r/h } }],";
    let gateway = expecting(&issuer, &origin, "127.0.0.1", limit).await;
    let client = |address: &str| issuer.client(&gateway, HOST).preceded_by(v1(address));
    for address in ["192.0.2.1", "192.0.2.2"] {
        client(address).get("/").send().await.assert_status(200);
        client(address).get("/").send().await.assert_status(429);
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = expecting(&issuer, &origin, "127.0.0.2", "").await;
    let (tls, plain) = (issuer.client(&gateway, HOST), gateway.client_at(1).host(HOST));
    for client in [tls.clone(), plain.clone()] {
        client.get("/").send().await.assert_status(200);
        assert_eq!(origin.requests().pop().unwrap().header("x-forwarded-for"), Some("127.0.0.1"));
    }
    let hits = origin.hits();
    for listener in [0, 1] {
        let mut wire = Wire::connect(gateway.address_at(listener)).await;
        wire.write(v1("192.0.2.1")).await;
        wire.write(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
        wire.finish().await;
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "listener {listener}: {answer}");
    }
    // The header of version 2 is no line of HTTP at all.
    if let Ok(reply) = plain.preceded_by(v2(1, [192, 0, 2, 1])).get("/").try_send().await {
        reply.assert_status(400);
    }
    let listed = tls.from_ip("127.0.0.2".parse().unwrap()).preceded_by(v1("192.0.2.9"));
    assert_eq!(origin.hits(), hits, "none of them came through");
    listed.get("/").send().await.assert_status(200);
    assert_eq!(origin.requests().pop().unwrap().header("x-forwarded-for"), Some("192.0.2.9"));
}

#[tokio::test]
async fn a_proxy_that_does_not_say_it_rightly_is_cut_and_counted() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = expecting(&issuer, &origin, "127.0.0.1", "").await;
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").into_bytes();
    let rows: [(Vec<u8>, &str); 5] = [
        (request, "no header"),
        (b"PROXY TCP4 192.0.2.1\r\n".to_vec(), "half a line"),
        (b"PROXY TCP4 999.0.2.1 198.51.100.9 1 2\r\n".to_vec(), "no address"),
        (v2(7, [192, 0, 2, 1]), "no command"),
        (b"PROXY ".repeat(50), "a line without an end"),
    ];
    for (n, (said, row)) in rows.iter().enumerate() {
        let mut wire = Wire::connect(gateway.address_at(n % 2)).await;
        // The other side may have closed before all was written.
        drop(wire.try_write(said).await);
        assert_eq!(wire.read_to_end().await, "", "{row}");
        assert_eq!(failures(&gateway, "proxy_protocol"), (n + 1) as f64, "{row}");
    }
    assert_eq!(origin.hits(), 0);
}

/// The one test that waits: five seconds, all connections at once.
#[tokio::test]
async fn a_proxy_that_says_nothing_is_cut_after_five_seconds() {
    let issuer = Issuer::new();
    let origin = Origin::builder().otherwise(Echo).start().await;
    let gateway = expecting(&issuer, &origin, "127.0.0.1", "").await;
    let began = std::time::Instant::now();
    let mut wires = Vec::new();
    for (listener, said) in
        [(0, &b""[..]), (0, b"PROXY TCP4 192"), (1, b""), (1, b"\r\n\r\n\0\r\nQUIT\n\x21")]
    {
        let mut wire = Wire::connect(gateway.address_at(listener)).await;
        wire.write(said).await;
        wires.push(wire);
    }
    for mut wire in wires {
        assert_eq!(wire.read_to_end().await, "");
    }
    let took = began.elapsed().as_secs_f64();
    assert!((4.9..9.5).contains(&took), "{took} s");
    assert_eq!(failures(&gateway, "timeout"), 4.0);
}
