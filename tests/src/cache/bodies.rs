//! Parts, heads, confirmations and sizes of what is kept.

use headwall_testkit::{Gateway, Origin, Response, Seen, eventually};

use super::{Lines, Stage, obedient, one_route, status_of};

const TAG: &str = "\"a\"";
const MONDAY: &str = "Mon, 02 Nov 2026 08:00:00 GMT";

/// An origin with one page of ten letters.
async fn letters() -> Stage {
    let answer = |_: Seen| async {
        Response::text("abcdefghij")
            .header("cache-control", "max-age=60")
            .header("etag", TAG)
            .header("last-modified", MONDAY)
    };
    Stage::of(Origin::builder().otherwise(answer).start().await, &one_route("{}")).await
}

#[tokio::test]
async fn clients_get_what_they_ask_for_out_of_what_is_kept() {
    let stage = letters().await;
    stage.client().get("/").send().await.assert_text("abcdefghij");
    type Row<'a> = (&'a str, Lines<'a>, u16, &'a str, Option<&'a str>, &'a str);
    let rows: [Row<'_>; 16] = [
        ("GET", &[], 200, "abcdefghij", None, "all of it"),
        ("HEAD", &[], 200, "", None, "the head"),
        ("GET", &[("range", "bytes=2-4")], 206, "cde", Some("bytes 2-4/10"), "a part"),
        ("GET", &[("range", "bytes=-2")], 206, "ij", Some("bytes 8-9/10"), "the end"),
        ("GET", &[("range", "bytes=7-")], 206, "hij", Some("bytes 7-9/10"), "from there"),
        ("GET", &[("range", "bytes=20-")], 416, "", Some("bytes */10"), "beyond"),
        ("GET", &[("range", "bytes=0-1,4-5")], 206, "abcdef", Some("bytes 0-5/10"), "two that all but touch"),
        ("HEAD", &[("range", "bytes=2-4")], 200, "", None, "ranges are for GET"),
        (
            "GET",
            &[("range", "bytes=2-4"), ("if-range", TAG)],
            206,
            "cde",
            Some("bytes 2-4/10"),
            "of this version",
        ),
        ("GET", &[("range", "bytes=2-4"), ("if-range", "\"b\"")], 200, "abcdefghij", None, "of another"),
        ("GET", &[("if-none-match", TAG)], 304, "", None, "it has it"),
        ("HEAD", &[("if-none-match", TAG)], 304, "", None, "it has it"),
        ("GET", &[("if-none-match", "\"x\", W/\"a\"")], 304, "", None, "it has one of these"),
        ("GET", &[("if-none-match", "\"b\"")], 200, "abcdefghij", None, "it has another"),
        ("GET", &[("if-modified-since", MONDAY)], 304, "", None, "it has it by date"),
        ("GET", &[("if-none-match", TAG), ("range", "bytes=2-4")], 304, "", None, "having it counts first"),
    ];
    for (method, lines, status, text, range, row) in rows {
        let call = stage.client().request(method.parse().unwrap(), "/");
        let reply = lines.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, text), "{row}");
        assert_eq!(reply.header("content-range"), range, "{row}");
        assert_eq!(status_of(&reply), "hit", "{row}");
        assert_eq!(reply.header("etag"), Some(TAG), "{row}");
        if method == "HEAD" && status == 200 {
            reply.assert_header("content-length", "10");
        }
        if status == 304 {
            reply.assert_no_header("content-length").assert_no_header("content-type");
            reply.assert_header("cache-control", "max-age=60");
        }
    }
    assert_eq!(stage.origin.hits(), 1);
}

#[tokio::test]
async fn what_one_client_has_does_not_matter_to_the_others() {
    let stage = letters().await;
    // The first client has it already, and still the whole of it is fetched.
    let first = stage.client().get("/").header("if-none-match", TAG).send().await;
    first.assert_status(304).assert_text("");
    eventually(10, async || {
        let second = stage.client().get("/").send().await;
        second.assert_status(200).assert_text("abcdefghij");
        (status_of(&second) == "hit").then_some(())
    })
    .await;
    assert!(stage.origin.requests().iter().all(|seen| seen.header("if-none-match").is_none()));
}

#[tokio::test]
async fn what_is_too_large_passes_by() {
    let answer = |seen: Seen| async move {
        match seen.path() {
            // The one says how large it is, the other does not.
            "/announced" => Response::filled(3 << 20).header("cache-control", "max-age=60"),
            _ => {
                let (feed, response) = Response::fed("text/plain");
                tokio::spawn(async move {
                    for _ in 0..48 {
                        if feed.send(vec![b'.'; 64 << 10]).await.is_err() {
                            return;
                        }
                    }
                    feed.end();
                });
                response.header("cache-control", "max-age=60")
            }
        }
    };
    let stage = Stage::of(Origin::builder().otherwise(answer).start().await, &one_route("{}")).await;
    for path in ["/announced", "/chunked"] {
        for _ in 0..2 {
            let reply = stage.client().get(path).send().await;
            assert_eq!(reply.body.len(), 3 << 20, "{path}: it is whole");
        }
        assert_eq!(stage.origin.hits_of(path), 2, "{path}");
    }
    let metric = stage.gateway.metric("headwall_cache_bytes{place=\"app/page\"}");
    assert_eq!(metric, Some(0.0));
}

#[tokio::test]
async fn memory_is_bounded() {
    let answer = |_: Seen| async { Response::text("x".repeat(60_000)).header("cache-control", "max-age=60") };
    let origin = Origin::builder().otherwise(answer).start().await;
    let stage = Stage::of(origin, &one_route("{ memory: 2m, max_object: 64k }")).await;
    let client = stage.client().keep().await;
    let number =
        |name: &str| stage.gateway.metric(&format!("{name}{{place=\"app/page\"}}")).unwrap_or_default();
    for index in 0..100 {
        client.get(&format!("/{index}")).send().await.assert_status(200);
        if index % 20 == 0 {
            assert!(number("headwall_cache_bytes") <= f64::from(2 << 20), "after {index}");
        }
    }
    assert!(number("headwall_cache_bytes") > f64::from(1 << 20), "and it is used");
    assert!(number("headwall_cache_evictions_total") > 40.0);
    // One address with many selections is bounded, too.
    let varied = Stage::of(obedient().await, &one_route("{ key_headers: [X-Any] }")).await;
    for index in 0..100 {
        let call = varied.client().get("/").header("x-any", &index.to_string());
        super::told(call, &[("cache-control", "max-age=60")]).send().await;
    }
    let bytes = varied.gateway.metric("headwall_cache_bytes{place=\"app/page\"}").unwrap_or_default();
    assert!(bytes < 40_000.0, "16 answers at the most: {bytes}");
}

#[tokio::test]
async fn what_memory_has_no_room_for_is_found_on_the_disk() {
    let answer = |seen: Seen| async move {
        Response::text(seen.path().repeat(20_000)).header("cache-control", "max-age=60").header("etag", TAG)
    };
    let origin = Origin::builder().otherwise(answer).start().await;
    let dir = tempfile::tempdir().unwrap();
    let cache = "{ memory: 2m, max_object: 64k, disk: { path: \"${DIR}\", size: 64m } }";
    let gateway = Gateway::config(&one_route(cache)).variable("APP", origin.address());
    let gateway = gateway.variable("DIR", dir.path().join("answers").display()).start().await;
    let stage = Stage { origin, gateway };
    let client = stage.client().keep().await;
    // A disk that is behind is left in peace, so it may take more than one round.
    eventually(10, async || {
        let mut hits = 0;
        for index in 10..90 {
            let path = format!("/{index}");
            let reply = client.get(&path).send().await;
            assert!(reply.text() == path.repeat(20_000), "{path}: it is that page's");
            hits += usize::from(status_of(&reply) == "hit");
        }
        // Memory has room for 34.
        (hits > 60).then_some(())
    })
    .await;
    // Wherever it was, it is in memory now.
    client.get("/10").send().await.assert_status(200);
    let part = client.get("/10").header("range", "bytes=0-2").send().await;
    part.assert_status(206).assert_text("/10");
    let caches = stage.gateway.admin("/cache").await.json();
    assert!(caches[0]["disk"]["bytes"].as_u64().unwrap() > 1 << 20, "{caches}");
    assert!(
        stage.gateway.metric("headwall_cache_disk_bytes{place=\"app/page\"}").unwrap_or_default()
            > f64::from(1 << 20)
    );
    stage.gateway.admin_client().request(http::Method::DELETE, "/cache?all").send().await.assert_status(200);
    for index in 10..90 {
        let reply = client.get(&format!("/{index}")).send().await;
        assert_ne!(status_of(&reply), "hit", "/{index} was purged");
    }
}

#[tokio::test]
async fn old_and_new_http_get_the_same() {
    let origin = Origin::builder()
        .http2()
        .otherwise(|_: Seen| async { Response::text("two").header("cache-control", "max-age=60") });
    let config = one_route("{}").replace("servers: [\"${APP}\"]", "servers: [\"${APP}\"], protocol: http2");
    let stage = Stage::of(origin.start().await, &config).await;
    let first = stage.client().get("/").send().await;
    first.assert_status(200).assert_text("two").assert_header("content-length", "3");
    assert_eq!(status_of(&first), "fwd=uri-miss; fwd-status=200; stored");
    assert_eq!(stage.origin.requests()[0].host(), Some("app.example.com"), "the upstream is told the host");
    assert_eq!(status_of(&stage.client().get("/").send().await), "hit");
}
