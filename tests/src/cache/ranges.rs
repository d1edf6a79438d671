//! Parts of what is kept: the same requests to nginx's `proxy_cache`, and what both give.

use headwall_testkit::{Client, Origin, Reply, Response, Seen, eventually};

use super::{Stage, one_route, status_of};
use crate::nginx::Nginx;

/// What a client asks for, and why nginx gives something else, if it does.
type Row = (&'static [(&'static str, &'static str)], Option<&'static str>);

const TAG: &str = "\"a\"";
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const MERGED: &str = "it sends a part for each range, also of ranges that overlap or all but touch";
const SPOILT: &str = "it takes a range that is none for one that is not there";

const ROWS: &[Row] = &[
    (&[("range", "bytes=0-99")], None),
    (&[("range", "bytes=900-")], None),
    (&[("range", "bytes=-1")], None),
    (&[("range", "bytes=-5000")], None),
    (&[("range", "bytes=0-5000")], None),
    (&[("range", "bytes=1000-")], None),
    (&[("range", "bytes=0-9,500-509")], None),
    (&[("range", "bytes=500-509,0-9")], None),
    (&[("range", "bytes=0-0,200-200,-1")], None),
    (&[("range", "bytes=0-9,5000-")], None),
    (&[("range", "bytes=5000-,6000-")], None),
    (&[("range", "bytes=0-9,500-509"), ("if-range", TAG)], None),
    (&[("range", "bytes=0-9,500-509"), ("if-range", "\"b\"")], None),
    (&[("range", "bytes=0-9,500-509"), ("if-range", DATE)], None),
    (&[("range", "bytes=0-9,500-509"), ("if-none-match", TAG)], None),
    (&[("range", "lines=0-9")], None),
    (&[("range", "bytes=0-9,10-19")], Some(MERGED)),
    (&[("range", "bytes=0-99,50-149")], Some(MERGED)),
    (&[("range", "bytes=0-9,x")], Some(SPOILT)),
    (&[("range", "bytes=9-0")], Some(SPOILT)),
];

/// An origin with one page of a thousand bytes.
async fn page() -> Origin {
    let text: String = (0..250).map(|index| format!("{index:04}")).collect();
    let answer = move |_: Seen| {
        let response = Response::text(text.clone())
            .header("cache-control", "max-age=60")
            .header("etag", TAG)
            .header("accept-ranges", "bytes")
            .header("last-modified", DATE);
        async move { response }
    };
    Origin::builder().otherwise(answer).start().await
}

/// Status, range, type and body, without the boundary that is each server's own.
fn plain(reply: &Reply) -> (u16, Option<String>, Option<String>, String) {
    let kind = reply.header("content-type").unwrap_or_default();
    let boundary = kind.split_once("boundary=").map(|(_, boundary)| boundary);
    let text = if reply.status.as_u16() == 416 { String::new() } else { reply.text() };
    let text = boundary.map_or(text.clone(), |boundary| text.replace(boundary, "B"));
    let is_several = boundary.is_some();
    let kind = (reply.status.as_u16() < 300).then(|| kind.split(';').next().unwrap_or_default().to_owned());
    if is_several {
        assert_eq!(
            reply.header("content-length"),
            Some(&*reply.body.len().to_string()),
            "its length is told"
        );
    }
    (reply.status.as_u16(), reply.header("content-range").map(str::to_owned), kind, text)
}

async fn ask(client: &Client, row: &Row) -> Reply {
    row.0.iter().fold(client.get("/"), |call, (name, value)| call.header(name, value)).send().await
}

#[tokio::test]
async fn parts_of_what_is_kept_are_those_that_nginx_gives() {
    let stage = Stage::of(page().await, &one_route("{}")).await;
    let location = format!("proxy_pass http://{}; proxy_cache answers;", stage.origin.address());
    let keeping = "proxy_cache_path {dir}/cache keys_zone=answers:1m;";
    let Some(nginx) = Nginx::proxying(keeping, &location).await else { return };
    let theirs = Client::to(nginx.address()).host("app.example.com");
    for client in [&stage.client(), &theirs] {
        client.get("/").send().await.assert_status(200);
    }
    let mut unexplained = Vec::new();
    for row in ROWS {
        let (ours, theirs) = (ask(&stage.client(), row).await, ask(&theirs, row).await);
        assert_eq!(status_of(&ours), "hit", "{row:?}");
        let (ours, theirs) = (plain(&ours), plain(&theirs));
        if (ours == theirs) != row.1.is_none() {
            unexplained.push(format!("{row:?}\nours: {ours:?}\ntheirs: {theirs:?}"));
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n\n"));
    assert_eq!(stage.origin.hits(), 2, "both have asked once");
}

#[tokio::test]
async fn several_parts_are_given_out_of_memory_and_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let answer =
        |_: Seen| async { Response::text("0123456789".repeat(6000)).header("cache-control", "max-age=60") };
    let origin = Origin::builder().otherwise(answer).start().await;
    let path = dir.path().display();
    let cache = format!("{{ memory: 1m, max_object: 64k, disk: {{ path: {path}, size: 64m }} }}");
    let stage = Stage::of(origin, &one_route(&cache)).await;
    let client = stage.client().keep().await;
    let part = |range: &str, text: &str| {
        let kind = "text/plain; charset=utf-8";
        format!("\r\n--B\r\nContent-Type: {kind}\r\nContent-Range: bytes {range}/60000\r\n\r\n{text}")
    };
    let expected = part("0-3", "0123") + &part("59998-59999", "89") + "\r\n--B--\r\n";
    // A disk that is behind is left in peace, so it may take more than one round.
    eventually(10, async || {
        let mut hits = 0;
        for index in 0..40 {
            let path = format!("/{index}");
            let reply = client.get(&path).header("range", "bytes=0-3,59998-").send().await;
            if status_of(&reply) == "hit" {
                hits += 1;
                let (status, _, kind, text) = plain(&reply);
                assert_eq!((status, kind.as_deref()), (206, Some("multipart/byteranges")), "{path}");
                assert_eq!(text, expected, "{path}");
            } else {
                client.get(&path).send().await.assert_status(200);
            }
        }
        // Memory has room for less than 18.
        (hits > 25).then_some(())
    })
    .await;
}

#[tokio::test]
async fn whoever_wants_too_many_parts_gets_the_whole() {
    let stage = Stage::of(page().await, &one_route("{}")).await;
    stage.client().get("/").send().await.assert_status(200);
    let ranges: Vec<_> = (0..17).map(|index| format!("{0}-{0}", index * 10)).collect();
    let reply = stage.client().get("/").header("range", &format!("bytes={}", ranges.join(","))).send().await;
    reply.assert_status(200);
    assert_eq!((status_of(&reply).as_str(), reply.body.len()), ("hit", 1000));
}
