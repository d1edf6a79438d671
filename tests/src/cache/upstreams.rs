//! Several upstreams behind one route: whose answers are given to whom.

use headwall_testkit::{Origin, Response, Seen};

use super::{Stage, obedient, status_of, told};

const MAX_AGE: (&str, &str) = ("cache-control", "max-age=60");
const TAG: &str = "\"same\"";

/// An origin that says who it is, and knows its tag.
async fn named(name: &'static str) -> Origin {
    let answer = move |seen: Seen| async move {
        let knows = seen.header("if-none-match") == Some(TAG);
        let response = if knows { Response::new(304) } else { Response::text(name) };
        response.header("cache-control", "max-age=60").header("etag", TAG)
    };
    Origin::builder().otherwise(answer).start().await
}

async fn canary(cache: &str, other: &Origin) -> Stage {
    let config = format!(
        r#"
        sites:
          - name: app
            routes:
              - name: page
                filters: [{{ cache: {cache} }}]
                api: {{ upstream: app, split: {{ to: [{{ upstream: next, percent: 50 }}], by: {{ header: x-side }} }} }}
        upstreams: {{ app: {{ servers: ["${{APP}}"] }}, next: {{ servers: ["{}"] }} }}
        "#,
        other.address()
    );
    Stage::of(named("app").await, &config).await
}

/// Values of `x-side` for the app and for its canary.
async fn sides(stage: &Stage, other: &Origin) -> (String, String) {
    let (mut own, mut canary) = (None, None);
    for index in 0..100 {
        let side = index.to_string();
        let before = other.hits();
        stage.client().post("/", "x").header("x-side", &side).send().await;
        let place = if other.hits() > before { &mut canary } else { &mut own };
        place.get_or_insert(side);
        if own.is_some() && canary.is_some() {
            break;
        }
    }
    (own.expect("a half goes to the app"), canary.expect("and a half to its canary"))
}

#[tokio::test]
async fn a_canary_and_the_app_have_answers_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let disk = format!("{{ memory: 4m, disk: {{ path: {}, size: 64m }} }}", dir.path().display());
    for cache in ["{}", &disk] {
        let next = named("next").await;
        let stage = canary(cache, &next).await;
        let (app_side, next_side) = sides(&stage, &next).await;
        let ask = |side: &str, path: &str| stage.client().get(path).header("x-side", side).send();
        for (side, name) in [(&app_side, "app"), (&next_side, "next")] {
            ask(side, "/").await.assert_text(name);
            let again = ask(side, "/").await;
            again.assert_text(name);
            assert_eq!(status_of(&again), "hit", "{name}");
        }
        // One order gives up what both have said of an address.
        let purged = stage
            .gateway
            .admin_client()
            .request(http::Method::DELETE, "/cache?url=http://app.example.com/")
            .send()
            .await
            .json();
        assert_eq!(purged["purged"], 1, "one address");
        for (side, name) in [(&app_side, "app"), (&next_side, "next")] {
            let reply = ask(side, "/").await;
            reply.assert_text(name);
            assert_ne!(status_of(&reply), "hit", "{name} was purged");
        }
    }
}

/// An app that does as it is told, and another that answers for it.
async fn in_need(spare: &Origin) -> Stage {
    let config = format!(
        r#"
        sites:
          - name: app
            routes:
              - name: page
                filters: [{{ cache: {{}} }}]
                api: {{ upstream: app, retry: {{ attempts: 1 }}, fallback: {{ upstream: spare }} }}
        upstreams: {{ app: {{ servers: ["${{APP}}"] }}, spare: {{ servers: ["{}"] }} }}
        "#,
        spare.address()
    );
    Stage::of(obedient().await, &config).await
}

#[tokio::test]
async fn what_a_fallback_says_is_given_and_not_kept() {
    let spare = named("spare").await;
    let stage = in_need(&spare).await;
    let failing = || told(stage.client().get("/"), &[("status", "503")]);
    for _ in 0..2 {
        let reply = failing().send().await;
        reply.assert_status(200).assert_text("spare");
        assert_eq!(status_of(&reply), "fwd=uri-miss; fwd-status=200; detail=fallback");
    }
    // The app is well again, and is heard at once.
    let own = stage.get("/", &[MAX_AGE]).await;
    assert_eq!(status_of(&own), "fwd=uri-miss; fwd-status=200; stored");
    assert_ne!(own.text(), "spare");
    assert_eq!(status_of(&stage.get("/", &[]).await), "hit");
}

#[tokio::test]
async fn a_fallback_leaves_what_the_app_has_said_alone() {
    let spare = named("spare").await;
    let stage = in_need(&spare).await;
    let old = [("cache-control", "max-age=0"), ("etag", TAG)];
    let first = stage.get("/", &old).await;
    // The fallback knows the same tag: what is kept is given, and is as old as before.
    for _ in 0..2 {
        let again = stage.get("/", &[("status", "503")]).await;
        assert_eq!(again.text(), first.text());
        assert_eq!(status_of(&again), "fwd=stale; fwd-status=304; stored");
    }
    assert_eq!(spare.hits(), 2, "nothing that it said was believed for longer");
    let own = stage.get("/", &old).await;
    assert_eq!((status_of(&own).as_str(), own.text()), ("fwd=stale; fwd-status=304; stored", first.text()));
}
