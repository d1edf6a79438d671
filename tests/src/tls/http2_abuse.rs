//! Attacks that HTTP/2 makes cheap: they end the connection that they come on, and nobody else notices.

use headwall_testkit::{Gate, Gateway, Origin, PATIENCE, eventually, within};
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Issuer, in_front};
use crate::frames::{CONTINUATION, GOAWAY, HEADERS, RST_STREAM, beginning, frame};

const HOST: &str = "app.example.com";

/// The error by which a server says that it has had enough (RFC 9113, 7).
const ENHANCE_YOUR_CALM: u32 = 11;

async fn serving(issuer: &Issuer, origin: &Origin) -> Gateway {
    let yaml = in_front(HOST, &issuer.files(&[HOST]), "");
    Gateway::config(&yaml).variable("APP", origin.address()).start().await
}

/// `GET / HTTP/2.0` by the static table of HPACK, with the host in plain letters.
fn head() -> Vec<u8> {
    let mut head = vec![0x82, 0x87, 0x84, 0x01, u8::try_from(HOST.len()).unwrap()];
    head.extend_from_slice(HOST.as_bytes());
    head
}

/// The error of the last GOAWAY among these frames.
fn goaway(mut frames: &[u8]) -> Option<u32> {
    let mut error = None;
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = frames {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let payload = rest.get(..length)?;
        if *kind == GOAWAY {
            error = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        frames = &rest[length..];
    }
    error
}

/// Writes this to a server over TLS as fast as it takes it, and gives what it has said until it closed.
async fn shower(gateway: &Gateway, issuer: &Issuer, attack: Vec<u8>) -> Vec<u8> {
    let stream = issuer.client(gateway, HOST).http2().tls_stream().await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let writing = tokio::spawn(async move {
        // It is closed on us before the end.
        drop(write.write_all(&attack).await);
        drop(write.flush().await);
        std::future::pending::<()>().await;
    });
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = timeout(PATIENCE, read.read(&mut piece)).await.expect("it is still open") {
        said.extend_from_slice(&piece[..length]);
    }
    writing.abort();
    said
}

async fn nobody_is_left(gateway: &Gateway) {
    let open = async || gateway.metric("headwall_connections_open").filter(|open| *open == 0.0);
    eventually(10, open).await;
}

/// CVE-2023-44487: each stream is taken back as soon as it is opened, so that no limit of open ones is ever reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_rapid_resets_stop_nobody_else() {
    let issuer = Issuer::new();
    let origin = Origin::fixed("hello").await;
    let gateway = serving(&issuer, &origin).await;
    let normal = issuer.client(&gateway, HOST).http2().keep().await;
    normal.get("/").send().await.assert_status(200);

    let mut attack = beginning();
    for n in 0..2000 {
        attack.extend(frame(HEADERS, 0x5, 2 * n + 1, &head()));
        attack.extend(frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes()));
    }
    let (said, ()) = tokio::join!(shower(&gateway, &issuer, attack), async {
        for _ in 0..50 {
            normal.get("/").send().await.assert_status(200).assert_text("hello");
        }
    });
    assert_eq!(goaway(&said), Some(ENHANCE_YOUR_CALM));
    let counted = "headwall_http2_errors_total{kind=\"connection\",reason=\"enhance_your_calm\"}";
    assert_eq!(gateway.metric(counted), Some(1.0));
    normal.get("/").send().await.assert_status(200);
    issuer.client(&gateway, HOST).get("/").send().await.assert_status(200);
    assert!(origin.hits() < 1000, "{} requests reached the application", origin.hits());
    drop(normal);
    nobody_is_left(&gateway).await;
}

/// CVE-2024-27316 and its kin: a head that never ends, in one frame after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_an_end_is_not_collected() {
    let issuer = Issuer::new();
    let origin = Origin::fixed("hello").await;
    let gateway = serving(&issuer, &origin).await;
    let mut attack = beginning();
    attack.extend(frame(HEADERS, 0, 1, &head()));
    // A field `x: …` without indexing, of 100 bytes, over and over.
    let field = [&[0x00, 1, b'x', 100][..], &[b'y'; 100]].concat();
    for _ in 0..5000 {
        attack.extend(frame(CONTINUATION, 0, 1, &field.repeat(20)));
    }
    let said = shower(&gateway, &issuer, attack).await;
    assert!(goaway(&said).is_some_and(|error| error != 0), "{:?}", goaway(&said));
    issuer.client(&gateway, HOST).http2().get("/").send().await.assert_status(200);
    assert_eq!(origin.hits(), 1);
    nobody_is_left(&gateway).await;
}

/// Clients do take back what they have asked for, one page after the other.
#[tokio::test]
async fn a_client_that_changes_its_mind_now_and_then_is_no_attacker() {
    let issuer = Issuer::new();
    let gate = Gate::closed();
    let origin = Origin::builder().route("/left", gate.then("late")).otherwise("hello").start().await;
    let gateway = serving(&issuer, &origin).await;
    let stream = issuer.client(&gateway, HOST).http2().tls_stream().await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str| Request::get(format!("https://{HOST}{path}")).body(()).unwrap();
    for n in 1..=60 {
        sender = sender.ready().await.unwrap();
        let (left, mut stream) = sender.send_request(request("/left"), true).unwrap();
        gate.reached(n).await;
        stream.send_reset(h2::Reason::CANCEL);
        drop(left);
        let (response, _) = sender.send_request(request("/"), true).unwrap();
        assert_eq!(within(10, response).await.unwrap().status(), 200);
    }
    drop(sender);
    assert!(within(10, connection).await.unwrap().is_ok());
    nobody_is_left(&gateway).await;
    let log = gateway.stop().await;
    assert_eq!(
        log.iter().filter(|line| line["status"] == 499).count(),
        60,
        "who left is told from who was answered"
    );
}
