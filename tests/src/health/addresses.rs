//! Where servers can be: at an address, under a name, at a unix socket.

use std::path::PathBuf;

use headwall_testkit::{Gateway, Origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

#[tokio::test]
async fn a_name_is_looked_up() {
    let origin = Origin::fixed("hello").await;
    for check in ["", ", health_check: { path: / }"] {
        let yaml = format!(
            "
            sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
            upstreams: {{ app: {{ servers: [\"localhost:{}\"] {check} }} }}
            ",
            origin.address().port()
        );
        let gateway = Gateway::start(&yaml).await;
        gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_stops_neither_the_start_nor_others() {
    let origin = Origin::fixed("hello").await;
    let gateway = Gateway::config(
        "
        sites:
          - routes:
              - { match: { path: /lost }, api: { upstream: lost } }
              - { match: { path: /half }, api: { upstream: half } }
              - { api: { upstream: app } }
        upstreams:
          app: { servers: [\"${APP}\"] }
          lost: { servers: [\"does-not-exist.invalid:80\"] }
          half: { servers: [\"does-not-exist.invalid:80\", \"${APP}\"] }
        ",
    )
    .variable("APP", origin.address())
    .start()
    .await;
    let lost = gateway.client().get("/lost").send().await;
    lost.assert_status(503);
    assert!(lost.header("retry-after").is_some(), "{lost}");
    for _ in 0..4 {
        gateway.client().get("/half").send().await.assert_status(200).assert_text("hello");
    }
    gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
}

/// Answers every connection's first request with `hello`, for as long as the test's runtime lives.
fn serve_at(path: PathBuf) {
    let listener = UnixListener::bind(path).unwrap_or_else(|error| panic!("no unix socket: {error}"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n")
                    && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
                {}
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
                // Whoever asked may have gone.
                drop(stream.write_all(answer).await);
            });
        }
    });
}

#[tokio::test]
async fn a_unix_socket_is_a_server_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    serve_at(path.clone());
    for check in ["", ", health_check: { path: /health }", ", health_check: {}"] {
        let yaml = format!(
            "
            sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
            upstreams: {{ app: {{ servers: [\"unix:{}\"] {check} }} }}
            ",
            path.display()
        );
        let gateway = Gateway::start(&yaml).await;
        gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
    }
}

#[tokio::test]
async fn a_unix_socket_that_is_not_there_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [\"unix:{}\"], health_check: {{}} }} }}
        ",
        dir.path().join("nobody.sock").display()
    );
    Gateway::start(&yaml).await.client().get("/").send().await.assert_status(503);
}
