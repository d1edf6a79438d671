//! Files that change while they are served.

use std::fs::{OpenOptions, rename, write};
use std::io::Write;

use headwall_testkit::{Client, eventually};

use super::Site;

const FILES: &str = "files: { root: \"{root}\", memory: { recheck: 0s } }";
/// More than a connection holds between a server and a client that does not read.
const LARGE: usize = 32 << 20;

#[tokio::test]
async fn a_file_that_is_cut_or_overwritten_breaks_the_reply_off() {
    for change in ["cut", "overwrite"] {
        for http2 in [false, true] {
            let site = Site::with(FILES, |root| write(root.join("file"), vec![b'1'; LARGE]).unwrap()).await;
            let client = if http2 { site.client().http2() } else { site.client() };
            let mut open = client.get("/file").open().await;
            open.assert_status(200).assert_header("content-length", &LARGE.to_string());
            let first = open.chunk().await.unwrap();
            let mut file = OpenOptions::new().write(true).open(site.root().join("file")).unwrap();
            match change {
                "cut" => file.set_len(100).unwrap(),
                _ => file.write_all(&vec![b'2'; LARGE]).unwrap(),
            }
            let failed = open.whole().await.unwrap_err();
            let sent = [&first[..], &failed.so_far().unwrap().body].concat();
            assert!(sent.len() < LARGE, "{change}: never a part that looks whole");
            assert!(sent.iter().all(|byte| *byte == b'1'), "{change}: never two versions in one");
            let log = site.gateway.stop().await;
            assert_eq!(
                (&log[0]["status"], &log[0]["reason"]),
                (&200.into(), &"internal_error".into()),
                "{change}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_sent_as_it_was() {
    let site = Site::with(FILES, |root| write(root.join("file"), vec![b'1'; LARGE]).unwrap()).await;
    let mut open = site.client().get("/file").open().await;
    let first = open.chunk().await.unwrap();
    write(site.root().join("next"), "2").unwrap();
    rename(site.root().join("next"), site.root().join("file")).unwrap();
    let rest = open.whole().await.unwrap();
    assert_eq!(first.len() + rest.body.len(), LARGE);
    assert!(rest.body.iter().all(|byte| *byte == b'1'));
    site.client().get("/file").send().await.assert_text("2");
}

#[tokio::test]
async fn the_next_request_sees_the_next_version() {
    for (settings, is_immediate) in [(FILES, true), ("files: { root: \"{root}\" }", false)] {
        let site = Site::with(settings, |root| write(root.join("file"), "one").unwrap()).await;
        let client = Client::connect(site.gateway.address()).await;
        let first = client.get("/file").send().await;
        let first_tag = first.assert_text("one").header("etag").unwrap().to_owned();
        write(site.root().join("next"), "two").unwrap();
        rename(site.root().join("next"), site.root().join("file")).unwrap();
        if is_immediate {
            client.get("/file").send().await.assert_text("two");
        }
        let tag = &first_tag;
        let changed = async || {
            let reply = client.get("/file").header("if-none-match", tag).send().await;
            (reply.status == 200).then_some(reply)
        };
        eventually(10, changed).await.assert_text("two");
        std::fs::remove_file(site.root().join("file")).unwrap();
        let gone = async || (client.get("/file").send().await.status == 404).then_some(());
        eventually(10, gone).await;
    }
}

#[tokio::test]
async fn what_is_not_kept_in_memory_is_never_an_old_version() {
    let site = Site::with("files: { root: \"{root}\", memory: { recheck: 1h } }", |root| {
        write(root.join("file"), vec![b'1'; 300_000]).unwrap();
    })
    .await;
    site.client().get("/file").send().await.assert_header("content-length", "300000");
    write(site.root().join("next"), "two").unwrap();
    rename(site.root().join("next"), site.root().join("file")).unwrap();
    site.client().get("/file").send().await.assert_status(200).assert_text("two");
}

#[tokio::test]
async fn a_client_that_leaves_takes_nobody_along() {
    let site = Site::with(FILES, |root| write(root.join("file"), vec![b'1'; LARGE]).unwrap()).await;
    let mut open = site.client().get("/file").open().await;
    open.chunk().await.unwrap();
    drop(open);
    site.client().head("/file").send().await.assert_status(200);
    crate::metrics::metric_is(
        &site.gateway,
        "headwall_requests_in_flight{route=\"route\",site=\"site\"}",
        0.0,
    )
    .await;
}
