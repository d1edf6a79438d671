//! Many who want the same thing cost the upstream one request.

use headwall_testkit::{Gate, Origin, Reply, Response, Seen};

use super::{Stage, one_route, status_of};

/// So many requests for one path, all at once.
async fn together(stage: &Stage, times: usize, path: &str) -> Vec<tokio::task::JoinHandle<Reply>> {
    (0..times).map(|_| tokio::spawn(stage.client().get(path).send())).collect()
}

async fn held(gate: &Gate, response: impl Fn() -> Response + Send + Sync + 'static) -> Stage {
    let answer = move |_: Seen| {
        let response = response();
        async move { response }
    };
    let origin = Origin::builder().otherwise(gate.then(answer)).start().await;
    Stage::of(origin, &one_route("{ wait: 1m }")).await
}

#[tokio::test]
async fn a_hundred_misses_are_one_request() {
    let gate = Gate::closed();
    let stage =
        held(&gate, || Response::text("x".repeat(100_000)).header("cache-control", "max-age=60")).await;
    let asking = together(&stage, 100, "/").await;
    gate.reached(1).await;
    gate.open();
    let mut answered_from_here = 0;
    for reply in asking {
        let reply = reply.await.unwrap();
        reply.assert_status(200);
        assert_eq!(reply.body.len(), 100_000);
        answered_from_here += usize::from(status_of(&reply) == "hit");
    }
    assert_eq!(stage.origin.hits(), 1);
    assert_eq!(answered_from_here, 99);
}

#[tokio::test]
async fn who_waits_for_what_may_not_be_kept_does_not_wait_in_line() {
    let gate = Gate::closed();
    let stage = held(&gate, || Response::text("mine").header("cache-control", "private")).await;
    let leader = tokio::spawn(stage.client().get("/").send());
    gate.reached(1).await;
    let others = together(&stage, 10, "/").await;
    // All of them are at the origin at once as soon as the first answer says that it is for one alone.
    gate.open();
    leader.await.unwrap().assert_status(200);
    for reply in others {
        reply.await.unwrap().assert_status(200).assert_text("mine");
    }
    assert_eq!(stage.origin.hits(), 11);
    let later = stage.client().get("/").send().await;
    assert_eq!(status_of(&later), "fwd=bypass; detail=not-kept", "that is remembered");
}

#[tokio::test]
async fn who_has_waited_long_enough_goes_alone() {
    let gate = Gate::closed();
    let answer = |_: Seen| async { Response::text("slow").header("cache-control", "max-age=60") };
    let origin = Origin::builder().otherwise(gate.then(answer)).start().await;
    let stage = Stage::of(origin, &one_route("{ wait: 10ms }")).await;
    let leader = tokio::spawn(stage.client().get("/").send());
    gate.reached(1).await;
    let other = tokio::spawn(stage.client().get("/").send());
    gate.reached(2).await;
    gate.open();
    assert_eq!(status_of(&other.await.unwrap()), "fwd=bypass; detail=late");
    assert_eq!(status_of(&leader.await.unwrap()), "fwd=uri-miss; fwd-status=200; stored");
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_answer_away_from_nobody() {
    let (feed, response) = Response::fed("text/plain");
    let response = parking_lot::Mutex::new(Some(response.header("cache-control", "max-age=60")));
    let answer = move |_: Seen| {
        let response = response.lock().take().expect("the origin is asked once");
        async move { response }
    };
    let stage =
        Stage::of(Origin::builder().otherwise(answer).start().await, &one_route("{ wait: 1m }")).await;
    let mut first = stage.client().get("/").open().await;
    feed.send("one, ").await.unwrap();
    assert_eq!(first.chunk().await.as_deref(), Some(&b"one, "[..]), "it is streamed");
    let second = tokio::spawn(stage.client().get("/").send());
    drop(first);
    feed.send("two").await.unwrap();
    feed.end();
    second.await.unwrap().assert_text("one, two");
    assert_eq!(stage.origin.hits(), 1);
}

#[tokio::test]
async fn half_an_answer_is_not_kept() {
    let (feed, response) = Response::fed("text/plain");
    let response = parking_lot::Mutex::new(Some(response.header("cache-control", "max-age=60")));
    let answer = move |_: Seen| {
        let fed = response.lock().take();
        async move { fed.unwrap_or_else(|| Response::text("whole").header("cache-control", "max-age=60")) }
    };
    let stage = Stage::of(Origin::builder().otherwise(answer).start().await, &one_route("{}")).await;
    let first = tokio::spawn(stage.client().get("/").try_send());
    feed.send("half").await.unwrap();
    feed.cut().await;
    assert!(first.await.unwrap().is_err(), "the client is told that it is half");
    stage.client().get("/").send().await.assert_text("whole");
}
