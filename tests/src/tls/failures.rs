//! Handshakes that come to nothing: cut, answered where that helps, counted, and never a reason to raise the alarm.

use headwall_testkit::{Gateway, Trust, Wire, eventually};

use super::{Issuer, config, failures, process, site};

/// The beginning of a record that could be a ClientHello.
const BEGUN: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];

#[tokio::test]
async fn who_says_nothing_or_half_of_it_is_cut_and_counted() {
    let issuer = Issuer::new();
    let yaml =
        config([site("app.test", &issuer.files(&["app.test"]))]) + "limits: { handshake_timeout: 1s }\n";
    let gateway = Gateway::start(&yaml).await;
    let began = std::time::Instant::now();
    let mut wires = Vec::new();
    for said in [&b""[..], BEGUN] {
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(said).await;
        wires.push(wire);
    }
    for mut wire in wires {
        assert_eq!(wire.read_to_end().await, "");
    }
    assert!(began.elapsed() >= std::time::Duration::from_millis(900), "not before its time");
    assert_eq!(failures(&gateway, "timeout"), 2.0);
    issuer.client(&gateway, "app.test").get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn who_leaves_is_counted_apart() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    let mut wire = Wire::connect(gateway.address()).await;
    wire.write(BEGUN).await;
    wire.finish().await;
    assert_eq!(wire.read_to_end().await, "");
    assert_eq!(failures(&gateway, "closed"), 1.0);
}

#[tokio::test]
async fn plain_http_on_a_port_of_tls_is_told_so() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    for request in ["GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", "POST /a HTTP/1.0\r\n\r\n"] {
        let mut wire = Wire::connect(gateway.address()).await;
        wire.write(request).await;
        wire.finish().await;
        let answer = wire.read_to_end().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 "), "{answer}");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        assert_eq!(length, body.len().to_string(), "{answer}");
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(json["error"].as_str().unwrap().contains("https://"), "{answer}");
    }
    let reply = gateway.client().host("app.test").get("/").send().await;
    reply.assert_status(400).assert_header("content-type", "application/json");
    eventually(10, async || (failures(&gateway, "plain_http") == 3.0).then_some(())).await;
}

/// Somebody who looks like a CA, where no CA was asked for anything.
#[tokio::test]
async fn a_challenge_that_nobody_knows_of_is_not_answered() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    let client = issuer.client(&gateway, "app.test").alpn(&["acme-tls/1"]);
    assert!(client.handshake().await.is_err());
    assert_eq!(failures(&gateway, "no_challenge"), 1.0);
}

#[tokio::test]
async fn a_client_that_does_not_believe_us_is_counted_as_what_it_is() {
    let issuer = Issuer::new();
    let gateway = Gateway::start(&config([site("app.test", &issuer.files(&["app.test"]))])).await;
    let stranger = gateway.client().tls(&headwall_testkit::Authority::new()).server_name("app.test");
    let failed = stranger.handshake().await.unwrap_err();
    assert_eq!(failed.alert(), None, "it was not us who refused: {failed}");
    eventually(10, async || (failures(&gateway, "alert") == 1.0).then_some(())).await;
}

#[tokio::test]
async fn a_scanner_is_counted_and_raises_no_alarm() {
    let issuer = Issuer::new();
    let yaml = config([site("app.test", &issuer.files(&["app.test"]))]);
    let mut process = process(&yaml).await;
    let scans: [&[u8]; 6] = [
        b"\x00\x01\x02\x03\x04\x05\x06\x07",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
        b"\x16\x03\x01\xff\xff\x01",
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
    ];
    for scan in scans {
        let mut wire = Wire::connect(process.address()).await;
        wire.write(scan).await;
        wire.finish().await;
        wire.read_to_end().await;
    }
    let metrics = process.admin("/metrics").await.text();
    let counted: f64 = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("headwall_tls_handshake_failures_total{")?.split_once("} "))
        .map(|(reason, count)| {
            let count: f64 = count.parse().unwrap();
            assert!(
                reason.contains("malformed")
                    || count == 0.0
                    || reason.contains("alert")
                    || reason.contains("closed"),
                "{reason} {count}"
            );
            count
        })
        .sum();
    assert_eq!(counted, scans.len() as f64, "{metrics}");
    let trusting =
        headwall_testkit::Client::to(process.address()).tls(Trust::anyone()).server_name("app.test");
    trusting.get("/").send().await.assert_status(200);
    process.signal("HUP").await;
    process.hears("reload").await;
    let alarms: Vec<_> =
        process.heard().iter().filter(|line| line.contains("ERROR") || line.contains("WARN")).collect();
    assert!(alarms.is_empty(), "{alarms:#?}");
}
