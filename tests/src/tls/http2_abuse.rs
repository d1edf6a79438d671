//! Attacks that HTTP/2 makes cheap: they end the connection that they come on, and nobody else notices.

use bytes::Bytes;
use h2::Reason;
use headwall_testkit::{Client, Gateway, Origin, within};
use http::Request;

use super::{Issuer, in_front};

const HOST: &str = "app.example.com";

/// A client that can be told to break the manners of HTTP/2, if not its rules.
async fn raw(
    client: &Client,
) -> (h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let stream = client.clone().http2().tls_stream().await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(path: &str) -> Request<()> {
    Request::get(format!("https://{HOST}{path}")).body(()).unwrap()
}

/// CVE-2023-44487: each stream is taken back as soon as it is opened, so that no limit of open ones is ever reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_rapid_resets_stop_nobody_else() {
    let issuer = Issuer::new();
    let origin = Origin::fixed("hello").await;
    let yaml = in_front(HOST, &issuer.files(&[HOST]), "");
    let gateway = Gateway::config(&yaml).variable("APP", origin.address()).start().await;
    let client = issuer.client(&gateway, HOST);
    let normal = client.clone().http2().keep().await;
    normal.get("/").send().await.assert_status(200);

    let (mut sender, connection) = raw(&client).await;
    let flood = tokio::spawn(async move {
        let mut opened = 0;
        for _ in 0..2000 {
            let Ok(ready) = sender.clone().ready().await else { break };
            sender = ready;
            let Ok((_response, mut stream)) = sender.send_request(request("/flood"), false) else { break };
            stream.send_reset(Reason::CANCEL);
            opened += 1;
        }
        opened
    });
    for _ in 0..50 {
        normal.get("/").send().await.assert_status(200).assert_text("hello");
    }
    let opened = within(10, flood).await.unwrap();
    let ended = within(10, connection).await.unwrap();
    let reason = ended.unwrap_err().reason();
    assert_eq!(reason, Some(Reason::ENHANCE_YOUR_CALM), "after {opened} streams");
    normal.get("/").send().await.assert_status(200);
    client.get("/").send().await.assert_status(200);
    drop(normal);
    let open = async || gateway.metric("headwall_connections_open").filter(|open| *open == 0.0);
    headwall_testkit::eventually(10, open).await;
}

/// Clients do take back what they have asked for, one page after the other.
#[tokio::test]
async fn a_client_that_changes_its_mind_now_and_then_is_no_attacker() {
    let issuer = Issuer::new();
    let origin = Origin::fixed("hello").await;
    let yaml = in_front(HOST, &issuer.files(&[HOST]), "");
    let gateway = Gateway::config(&yaml).variable("APP", origin.address()).start().await;
    let (mut sender, connection) = raw(&issuer.client(&gateway, HOST)).await;
    for _ in 0..100 {
        sender = sender.ready().await.unwrap();
        let (response, mut stream) = sender.send_request(request("/left"), false).unwrap();
        stream.send_reset(Reason::CANCEL);
        drop(response);
        let (response, _) = sender.send_request(request("/"), true).unwrap();
        assert_eq!(within(10, response).await.unwrap().status(), 200);
    }
    drop(sender);
    assert!(within(10, connection).await.unwrap().is_ok());
}
