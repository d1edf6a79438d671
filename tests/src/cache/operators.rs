//! What an operator sees of a cache, and can do with it.

use headwall_testkit::{Gate, Gateway, Origin, Reply, Response, Seen};
use http::Method;

use super::{Stage, one_route, status_of};

const MAX_AGE: (&str, &str) = ("cache-control", "max-age=60");

async fn delete(stage: &Stage, query: &str) -> Reply {
    let admin = stage.gateway.admin_client();
    admin.request(Method::DELETE, &format!("/cache{query}")).send().await
}

#[tokio::test]
async fn what_is_kept_can_be_purged() {
    let stage = Stage::new("{}").await;
    let paths = ["/a", "/a?x=1&y=2", "/img/1", "/img/2", "/imgs"];
    let rows = [
        ("?url=http://app.example.com/a", &paths[..1], "one address"),
        ("?url=http://app.example.com/a?x=1&y=2", &paths[1..2], "with its query"),
        ("?url=http://APP.example.com/img/../img/1", &paths[2..3], "however it is written"),
        ("?prefix=http://app.example.com/img/", &paths[2..4], "all that begins so"),
        ("?url=https://app.example.com/a", &[], "another scheme"),
        ("?url=http://other.example.com/a", &[], "another host"),
        ("?all", &paths[..], "everything"),
    ];
    for (query, purged, row) in rows {
        for path in paths {
            stage.get(path, &[MAX_AGE]).await;
        }
        let reply = delete(&stage, query).await;
        reply.assert_status(200);
        assert_eq!(reply.json()["purged"], purged.len(), "{row}: {query}");
        for path in paths {
            let is_kept = status_of(&stage.get(path, &[MAX_AGE]).await) == "hit";
            assert_eq!(is_kept, !purged.contains(&path), "{row}: {query}: {path}");
        }
    }
    for query in ["", "?everything", "?url=/a", "?prefix="] {
        delete(&stage, query).await.assert_status(400);
    }
    let admin = stage.gateway.admin_client();
    let post = admin.post("/cache?all", "").header("x-headwall-control", "1").send().await;
    post.assert_status(405).assert_header("allow", "GET, HEAD, DELETE");
    let rebound = admin.host("evil.test").request(Method::DELETE, "/cache?all").send().await;
    rebound.assert_status(403);
}

#[tokio::test]
async fn what_is_being_fetched_when_it_is_purged_is_not_kept() {
    let gate = Gate::closed();
    let answer = |seen: Seen| async move {
        Response::text(seen.path().to_owned()).header("cache-control", "max-age=60")
    };
    let get = Origin::builder().otherwise(gate.then(answer)).start().await;
    let stage = Stage::of(get, &one_route("{}")).await;
    let rows = ["?url=http://app.example.com/a", "?prefix=http://app.example.com/", "?all"];
    for (index, query) in rows.into_iter().enumerate() {
        gate.close();
        let asking = tokio::spawn(stage.client().get("/a").send());
        gate.reached(2 * index + 1).await;
        delete(&stage, query).await.assert_status(200);
        gate.open();
        asking.await.unwrap().assert_status(200).assert_text("/a");
        let again = stage.client().get("/a").send().await;
        assert_eq!(status_of(&again), "fwd=uri-miss; fwd-status=200; stored", "{query}");
        delete(&stage, "?all").await;
    }
}

#[tokio::test]
async fn the_admin_listener_tells_what_is_kept() {
    let stage = Stage::new("{}").await;
    stage.get("/a", &[MAX_AGE]).await;
    stage.get("/b", &[MAX_AGE]).await;
    let caches = stage.gateway.admin("/cache").await.json();
    assert_eq!((&caches[0]["place"], &caches[0]["entries"]), (&"app/page".into(), &2.into()));
    assert!(caches[0]["bytes"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn log_and_metrics_say_what_was_done() {
    let stage = Stage::new("{}").await;
    stage.get("/a", &[MAX_AGE]).await;
    stage.get("/a", &[]).await;
    stage.get("/old", &[("cache-control", "max-age=0, stale-if-error=60"), ("etag", "\"a\"")]).await;
    stage.get("/old", &[("cache-control", "max-age=0, stale-if-error=60"), ("etag", "\"a\"")]).await;
    stage.get("/old", &[("status", "503")]).await;
    stage.get("/old", &[("etag", "\"b\""), MAX_AGE]).await;
    stage.get("/no", &[]).await;
    stage.get("/no", &[]).await;
    let words = ["miss", "hit", "miss", "revalidated", "stale", "expired", "miss", "bypass"];
    for word in ["miss", "hit", "revalidated", "stale", "expired", "bypass"] {
        let name = format!("headwall_cache_requests_total{{place=\"app/page\",result=\"{word}\"}}");
        let times = words.iter().filter(|other| **other == word).count();
        assert_eq!(stage.gateway.metric(&name), Some(times as f64), "{word}");
    }
    assert_eq!(stage.gateway.metric("headwall_cache_entries{place=\"app/page\"}"), Some(2.0));
    let server = stage.origin.address().to_string();
    let log = stage.gateway.stop().await;
    assert_eq!(log.iter().map(|line| line["cache"].as_str().unwrap()).collect::<Vec<_>>(), words);
    assert_eq!((&log[0]["server"], &log[0]["upstream"]), (&server.into(), &"app".into()), "who was asked");
    assert!(log[1]["server"].is_null(), "nobody was asked for a hit");
    assert!(log[1]["reason"].is_null(), "a hit is the app's own answer");
}

#[tokio::test]
async fn what_is_kept_outlives_a_reload_that_does_not_concern_it() {
    let mut stage = Stage::new("{}").await;
    stage.get("/", &[MAX_AGE]).await;
    stage.gateway.reload(&one_route("{ stale_if_error: 1h }")).await.unwrap();
    assert_eq!(status_of(&stage.get("/", &[MAX_AGE]).await), "hit");
    delete(&stage, "?all").await.assert_status(200);
    assert_ne!(status_of(&stage.get("/", &[MAX_AGE]).await), "hit", "it can still be purged");
    stage.gateway.reload(&one_route("{ key_headers: [X-Tenant] }")).await.unwrap();
    assert_ne!(status_of(&stage.get("/", &[MAX_AGE]).await), "hit", "it was kept for others");
}

#[tokio::test]
async fn caches_near_the_upstream_are_named_first() {
    let stage = Stage::new("{}").await;
    let reply = stage.get("/", &[MAX_AGE, ("cache-status", "inner; hit")]).await;
    let told: Vec<_> = reply.headers.get_all("cache-status").iter().collect();
    assert_eq!(told, ["inner; hit", "headwall; fwd=uri-miss; fwd-status=200; stored"]);
    let silent = Stage::new("{ cache_status: false }").await;
    silent.get("/", &[MAX_AGE]).await.assert_no_header("cache-status");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let origin = super::obedient().await;
    for (cache, expected) in [
        ("{ memory: 2m }", "`memory` is 2m, which is less than four objects of 1m (`max_object`)"),
        ("{ key_headers: [\"a b\"] }", "expected the name of a header, found `a b`"),
        ("{ memmory: 2m }", "memory"),
        ("{ disk: { path: /nowhere, size: 1m } }", "`disk.size` is 1m, which is less than `memory`, 64m"),
        ("{ disk: { path: /dev/null, size: 1g } }", "`disk.path` is /dev/null, which is no directory"),
    ] {
        let config = one_route(cache);
        let config = Gateway::config(&config).variable("APP", origin.address());
        let error = config.try_start().await.err().unwrap();
        assert!(error.contains(expected), "{cache}: {error}");
    }
}
