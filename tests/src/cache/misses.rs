//! Heads and parts of what is not kept: what the upstream is asked, and who waits for how much.

use headwall_testkit::{Client, Gate, Origin, Response, Seen};

use super::{Lines, Stage, one_route, status_of};
use crate::nginx::Nginx;

const TAG: &str = "\"a\"";
const STORED: &str = "fwd=uri-miss; fwd-status=200; stored";
const PARTIAL: &str = "fwd=bypass; detail=partial";

/// An origin that knows ranges: one page of ten letters, which says what its path says.
async fn letters() -> Origin {
    let answer = |seen: Seen| async move {
        let whole = match seen.path() {
            "/missing" => {
                return Response::text("abcdefghij").status(404).header("cache-control", "max-age=60");
            }
            "/large" => "abcdefghij".repeat(300_000),
            _ => String::from("abcdefghij"),
        };
        let (status, body) = match seen.header("range") {
            None => (200, whole),
            Some(_) => (206, String::from("part")),
        };
        let response = match seen.path() {
            // Its length is not told.
            "/chunked" if status == 200 => {
                let (feed, response) = Response::fed("text/plain");
                tokio::spawn(async move {
                    if feed.send(body.into_bytes()).await.is_ok() {
                        feed.end();
                    }
                });
                response
            }
            _ => Response::text(body).status(status),
        };
        let response =
            if status == 206 { response.header("content-range", "bytes 0-3/10") } else { response };
        let control = if seen.path() == "/private" { "private" } else { "max-age=60" };
        response.header("cache-control", control).header("etag", TAG)
    };
    Origin::builder().otherwise(answer).start().await
}

async fn stage(cache: &str) -> Stage {
    Stage::of(letters().await, &one_route(cache)).await
}

/// What the origin was asked: the method, and the range.
fn asked(stage: &Stage) -> Vec<(String, Option<String>)> {
    let requests = stage.origin.requests().into_iter();
    requests.map(|seen| (seen.method.to_string(), seen.header("range").map(str::to_owned))).collect()
}

fn get() -> (String, Option<String>) {
    ("GET".to_owned(), None)
}

#[tokio::test]
async fn a_head_of_what_is_not_kept_is_kept_whole() {
    let stage = stage("{}").await;
    let head = stage.client().head("/").send().await;
    head.assert_status(200).assert_text("").assert_header("content-length", "10");
    assert_eq!(status_of(&head), STORED);
    let whole = stage.client().get("/").send().await;
    whole.assert_text("abcdefghij");
    assert_eq!(status_of(&whole), "hit");
    assert_eq!(asked(&stage), [get()]);
    // What may not be kept is not asked for whole again and again.
    for expected in ["fwd=uri-miss; fwd-status=200; detail=private", "fwd=bypass; detail=not-kept"] {
        let head = stage.client().head("/private").send().await;
        head.assert_status(200).assert_text("").assert_header("content-length", "10");
        assert_eq!(status_of(&head), expected);
    }
    assert_eq!(asked(&stage)[1..], [get(), ("HEAD".to_owned(), None)]);
}

#[tokio::test]
async fn nginx_asks_for_the_whole_too() {
    let origin = letters().await;
    let location = format!("proxy_pass http://{}; proxy_cache answers;", origin.address());
    let keeping = "proxy_cache_path {dir}/cache keys_zone=answers:1m;";
    let Some(nginx) = Nginx::proxying(keeping, &location).await else { return };
    let client = Client::to(nginx.address()).host("app.example.com");
    client.head("/").send().await.assert_status(200);
    client.get("/").header("range", "bytes=2-4").send().await;
    let methods: Vec<_> = origin.requests().iter().map(|seen| seen.method.to_string()).collect();
    assert_eq!(methods, ["GET"], "and keeps it");
}

#[tokio::test]
async fn a_part_of_what_is_not_kept_is_cut_out_on_its_way_into_the_store() {
    type Row<'a> = (Lines<'a>, u16, &'a str, Option<&'a str>, &'a str);
    let rows: [Row<'_>; 7] = [
        (&[("range", "bytes=2-4")], 206, "cde", Some("bytes 2-4/10"), "a part"),
        (&[("range", "bytes=-2")], 206, "ij", Some("bytes 8-9/10"), "the end"),
        (&[("range", "bytes=20-")], 416, "", Some("bytes */10"), "beyond"),
        (&[("range", "bytes=2-4"), ("if-range", TAG)], 206, "cde", Some("bytes 2-4/10"), "of this version"),
        (&[("range", "bytes=2-4"), ("if-range", "\"b\"")], 200, "abcdefghij", None, "of another"),
        (&[("range", "bytes=2-4"), ("if-none-match", TAG)], 304, "", None, "it has it"),
        (&[("range", "bytes=4-2")], 200, "abcdefghij", None, "no range"),
    ];
    let stage = stage("{}").await;
    for (index, (lines, status, text, range, row)) in rows.into_iter().enumerate() {
        let path = format!("/{index}");
        let call = stage.client().get(&path);
        let part = lines.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await;
        assert_eq!((part.status.as_u16(), part.text().as_str()), (status, text), "{row}");
        assert_eq!(part.header("content-range"), range, "{row}");
        assert_eq!(status_of(&part), STORED, "{row}");
        if status == 206 {
            assert_eq!(part.header("content-length"), Some(&*text.len().to_string()), "{row}");
        }
        let whole = stage.client().get(&path).send().await;
        whole.assert_text("abcdefghij");
        assert_eq!(status_of(&whole), "hit", "{row}: all of it is kept");
    }
    assert!(asked(&stage).iter().all(|asked| *asked == get()), "{:?}", asked(&stage));
    let missing = stage.client().get("/missing").header("range", "bytes=2-4").send().await;
    missing.assert_status(404).assert_text("abcdefghij");
    // What turns out not to be kept is short enough for a part to be cut out, once.
    let rows =
        [("fwd=uri-miss; fwd-status=200; detail=private", "cde"), ("fwd=bypass; detail=not-kept", "part")];
    for (expected, text) in rows {
        let part = stage.client().get("/private").header("range", "bytes=2-4").send().await;
        part.assert_status(206).assert_text(text);
        assert_eq!(status_of(&part), expected);
    }
}

#[tokio::test]
async fn nobody_waits_for_what_is_too_large_or_has_no_length() {
    let part = ("GET".to_owned(), Some("bytes=0-3".to_owned()));
    let rows: [(&str, &[&str], &str); 2] = [
        (
            "/large",
            &[PARTIAL, "fwd=bypass; detail=not-kept"],
            "it says that it is larger than any that is kept",
        ),
        ("/chunked", &[PARTIAL, "hit"], "nobody knows how long it will be; it comes in by itself"),
    ];
    for (path, expected, row) in rows {
        let stage = stage("{}").await;
        let ask = || stage.client().get(path).header("range", "bytes=0-3").send();
        let first = ask().await;
        first.assert_status(206).assert_text("part");
        assert_eq!(status_of(&first), expected[0], "{row}");
        assert_eq!(asked(&stage), [get(), part.clone()], "{row}: the upstream gives the part");
        let second = ask().await;
        second.assert_status(206);
        assert_eq!(status_of(&second), expected[1], "{row}");
    }
}

#[tokio::test]
async fn a_part_comes_before_the_rest() {
    let gate = Gate::closed();
    let held = gate.clone();
    let answer = move |_: Seen| {
        let (feed, response) = Response::fed("text/plain");
        let gate = held.clone();
        tokio::spawn(async move {
            if feed.send(b"abcde".to_vec()).await.is_ok() {
                gate.pass().await;
                if feed.send(b"fghij".to_vec()).await.is_ok() {
                    feed.end();
                }
            }
        });
        async move { response.header("cache-control", "max-age=60").header("content-length", "10") }
    };
    let stage =
        Stage::of(Origin::builder().otherwise(answer).start().await, &one_route("{ wait: 1m }")).await;
    // The second half is not there before the first part was given.
    let part = stage.client().get("/").header("range", "bytes=1-3").send().await;
    part.assert_status(206).assert_text("bcd");
    gate.open();
    let whole = stage.client().get("/").send().await;
    whole.assert_text("abcdefghij");
    assert_eq!((status_of(&whole).as_str(), stage.origin.hits()), ("hit", 1));
}

#[tokio::test]
async fn many_parts_of_the_same_are_one_request() {
    let gate = Gate::closed();
    let answer = |_: Seen| async { Response::text("abcdefghij").header("cache-control", "max-age=60") };
    let origin = Origin::builder().otherwise(gate.then(answer)).start().await;
    let stage = Stage::of(origin, &one_route("{ wait: 1m }")).await;
    let ask = |first: usize| {
        let range = format!("bytes={first}-{first}");
        tokio::spawn(stage.client().get("/").header("range", &range).send())
    };
    let asking: Vec<_> = (0..10).map(ask).collect();
    gate.reached(1).await;
    gate.open();
    for (first, reply) in asking.into_iter().enumerate() {
        reply.await.unwrap().assert_status(206).assert_text(&"abcdefghij"[first..=first]);
    }
    assert_eq!(stage.origin.hits(), 1);
}

#[tokio::test]
async fn what_is_not_converted_goes_on_as_it_is() {
    let rows = [
        ("{ convert_range: false }", "GET", Some("bytes=0-3"), "parts are not"),
        ("{}", "GET", Some("bytes=0-3,5-6"), "several may be wanted in any order"),
        ("{}", "GET", Some("lines=0-3"), "another unit"),
        ("{ convert_head: false }", "HEAD", None, "heads are not"),
    ];
    for (cache, method, range, row) in rows {
        let stage = stage(cache).await;
        let call = stage.client().request(method.parse().unwrap(), "/");
        let reply = range.into_iter().fold(call, |call, range| call.header("range", range)).send().await;
        assert_eq!(status_of(&reply), PARTIAL, "{row}");
        assert_eq!(asked(&stage), [(method.to_owned(), range.map(str::to_owned))], "{row}");
    }
}
