//! What is given when it is no longer good: meanwhile, and in need.

use headwall_testkit::{Gate, Origin, Response, Seen, eventually};

use super::{Stage, one_route, status_of, told};

/// It was stale when it came.
const OLD: (&str, &str) = ("age", "61");
const IN_NEED: [(&str, &str); 2] = [("cache-control", "max-age=60, stale-if-error=600"), OLD];

#[tokio::test]
async fn while_a_new_answer_is_fetched_the_old_one_is_given() {
    let stage = Stage::new("{}").await;
    let old = [("cache-control", "max-age=60, stale-while-revalidate=600"), OLD];
    let first = stage.get("/", &old).await;
    let second = stage.get("/", &[("cache-control", "max-age=60")]).await;
    assert_eq!(status_of(&second), "hit");
    assert_eq!(second.text(), first.text(), "at once");
    let ttl = second.header("cache-status").unwrap();
    assert!(ttl.contains("ttl=-"), "and it is said that it is old: {ttl}");
    stage.origin.reached(2).await;
    let new = eventually(10, async || {
        let reply = stage.client().get("/").send().await;
        (reply.text() != first.text()).then_some(reply)
    })
    .await;
    assert_eq!((status_of(&new).as_str(), new.text().as_str()), ("hit", "2"));
    assert_eq!(stage.origin.hits(), 2, "it was fetched once");
}

#[tokio::test]
async fn one_of_many_fetches_the_new_answer() {
    let gate = Gate::closed();
    gate.open();
    let answer = |_: Seen| async {
        Response::text("x")
            .header("cache-control", "max-age=60, stale-while-revalidate=600")
            .header("age", "61")
    };
    let origin = Origin::builder().otherwise(gate.then(answer)).start().await;
    let stage = Stage::of(origin, &one_route("{}")).await;
    stage.client().get("/").send().await;
    gate.close();
    for _ in 0..20 {
        assert_eq!(status_of(&stage.client().get("/").send().await), "hit", "nobody waits");
    }
    gate.reached(2).await;
    gate.open();
    assert!(stage.origin.hits() <= 2, "one was fetching");
}

#[tokio::test]
async fn in_need_the_old_answer_is_given() {
    let stage = Stage::new("{}").await;
    for status in ["500", "502", "503", "504"] {
        let path = format!("/{status}");
        let first = stage.get(&path, &IN_NEED).await;
        let second = stage.get(&path, &[("status", status)]).await;
        second.assert_status(200).assert_text(&first.text());
        assert_eq!(status_of(&second), format!("fwd=stale; fwd-status={status}; detail=stale-if-error"));
    }
    let first = stage.get("/down", &IN_NEED).await;
    stage.get("/strict", &[("cache-control", "max-age=60"), OLD, ("etag", "\"a\"")]).await;
    stage.origin.stop().await;
    let second = stage.get("/down", &[]).await;
    second.assert_status(200).assert_text(&first.text());
    assert_eq!(status_of(&second), "fwd=stale; detail=stale-if-error");
    stage.get("/strict", &[]).await.assert_status(502);
}

#[tokio::test]
async fn an_error_of_the_clients_is_no_need() {
    let stage = Stage::new("{}").await;
    for status in ["404", "410", "403"] {
        let path = format!("/{status}");
        stage.get(&path, &IN_NEED).await;
        stage.get(&path, &[("status", status)]).await.assert_status(status.parse().unwrap());
        stage.get(&path, &[("status", "503")]).await.assert_status(503);
    }
}

#[tokio::test]
async fn the_config_may_allow_old_answers_and_the_app_forbids_them() {
    let stage = Stage::new("{ stale_if_error: 1h }").await;
    let rows = [
        ("max-age=60", 200, "the config"),
        ("max-age=60, must-revalidate", 503, "5.2.2.2"),
        ("max-age=60, proxy-revalidate", 503, "5.2.2.8"),
        ("s-maxage=60", 503, "5.2.2.10"),
        ("max-age=60, stale-if-error=0", 503, "RFC 5861, 4"),
    ];
    for (index, (directives, expected, row)) in rows.into_iter().enumerate() {
        let path = format!("/{index}");
        stage.get(&path, &[("cache-control", directives), OLD, ("etag", "\"a\"")]).await;
        let second = stage.get(&path, &[("status", "503")]).await;
        assert_eq!(second.status.as_u16(), expected, "{row}: {directives}");
    }
}

#[tokio::test]
async fn what_is_confirmed_is_good_again() {
    let stage = Stage::new("{}").await;
    let (tag, old) = (("etag", "\"a\""), ("cache-control", "max-age=0"));
    let first = stage.get("/", &[tag, old, ("x-version", "1"), ("content-language", "de")]).await;
    let second = stage.get("/", &[tag, ("cache-control", "max-age=60"), ("x-version", "2")]).await;
    assert_eq!(status_of(&second), "fwd=stale; fwd-status=304; stored");
    second.assert_status(200).assert_text(&first.text());
    second.assert_header("x-version", "2").assert_header("content-language", "de");
    let third = stage.get("/", &[]).await;
    assert_eq!(status_of(&third), "hit", "the 304 has said for how long");
    third.assert_text(&first.text()).assert_header("x-version", "2");
    assert_eq!(stage.origin.requests()[1].header("if-none-match"), Some("\"a\""));
    assert_eq!(stage.origin.connections(), 1, "a 304 costs no connection");
}

#[tokio::test]
async fn a_304_about_something_else_confirms_nothing() {
    let answer = |seen: Seen| async move {
        match seen.header("if-none-match") {
            Some(_) => Response::new(304).header("etag", "\"b\""),
            None => Response::text("new").header("etag", "\"b\"").header("cache-control", "max-age=60"),
        }
    };
    let first = |_: Seen| async {
        Response::text("old").header("etag", "\"a\"").header("cache-control", "max-age=0")
    };
    let first = parking_lot::Mutex::new(Some(first));
    let either = move |seen: Seen| {
        let first = first.lock().take();
        async move {
            match first {
                Some(first) => first(seen).await,
                None => answer(seen).await,
            }
        }
    };
    let stage = Stage::of(Origin::builder().otherwise(either).start().await, &one_route("{}")).await;
    stage.client().get("/").send().await.assert_text("old");
    stage.client().get("/").send().await.assert_status(200).assert_text("new");
}

#[tokio::test]
async fn a_new_answer_takes_the_place_of_the_old_one() {
    let stage = Stage::new("{}").await;
    let first = stage.get("/", &[("etag", "\"a\""), ("cache-control", "max-age=0")]).await;
    let second = stage.get("/", &[("etag", "\"b\""), ("cache-control", "max-age=60")]).await;
    assert_eq!(status_of(&second), "fwd=stale; fwd-status=200; stored");
    assert_ne!(first.text(), second.text());
    stage.get("/", &[]).await.assert_text(&second.text());
    // One that may not be kept takes it, too.
    stage.get("/gone", &IN_NEED).await;
    stage.get("/gone", &[("cache-control", "no-store")]).await;
    let reply = told(stage.client().get("/gone"), &[("status", "503")]).send().await;
    reply.assert_status(503);
}

#[tokio::test]
async fn those_who_wait_for_a_confirmation_share_it() {
    let gate = Gate::closed();
    gate.open();
    let answer = |seen: Seen| async move {
        let status = match (seen.path(), seen.header("if-none-match")) {
            ("/down", Some(_)) => 503,
            (_, Some(_)) => 304,
            (_, None) => 200,
        };
        let response = if status == 200 { Response::text("kept") } else { Response::new(status) };
        let may = if seen.header("if-none-match").is_some() {
            "max-age=60"
        } else {
            "max-age=0, stale-if-error=60"
        };
        response.header("etag", "\"a\"").header("cache-control", may)
    };
    let origin = Origin::builder().otherwise(gate.then(answer)).start().await;
    let stage = Stage::of(origin, &one_route("{ wait: 1m }")).await;
    for path in ["/up", "/down"] {
        stage.client().get(path).send().await.assert_text("kept");
        gate.close();
        let arrivals = stage.origin.hits() + 1;
        let asking: Vec<_> = (0..20).map(|_| tokio::spawn(stage.client().get(path).send())).collect();
        gate.reached(arrivals).await;
        gate.open();
        for reply in asking {
            reply.await.unwrap().assert_status(200).assert_text("kept");
        }
        assert_eq!(stage.origin.hits_of(path), 2, "{path}");
    }
    let up =
        stage.gateway.metric("headwall_upstream_requests_total{outcome=\"server_error\",upstream=\"app\"}");
    assert_eq!(up, Some(1.0), "the upstream's failure is seen, though no client did");
}
