//! What is kept for one host, scheme or client is not given to another.

use std::sync::Arc;

use bytes::Bytes;
use headwall::{BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, Server, async_trait};
use headwall_testkit::{Gateway, Origin, Response, Seen};
use http::StatusCode;

use super::{Stage, obedient, one_route, status_of, told};

const MAX_AGE: (&str, &str) = ("cache-control", "max-age=60");

#[tokio::test]
async fn an_answer_is_for_one_address_alone() {
    let stage = Stage::new("{}").await;
    let kept = stage.get("/a?x=1", &[MAX_AGE]).await;
    let rows = [
        ("app.example.com", "/a?x=1", true, "the same"),
        ("APP.example.com", "/a?x=1", true, "hosts have no case"),
        ("app.example.com", "/./a?x=1", true, "paths have one form"),
        ("app.example.com", "/%61?x=1", true, "paths have one form"),
        ("other.example.com", "/a?x=1", false, "another host"),
        ("app.example.com:81", "/a?x=1", false, "another port"),
        ("app.example.com", "/a?x=2", false, "another query"),
        ("app.example.com", "/a", false, "no query"),
        ("app.example.com", "/A?x=1", false, "paths have case"),
    ];
    for (host, path, is_same, row) in rows {
        let reply = stage.gateway.client().host(host).get(path).send().await;
        assert_eq!(reply.text() == kept.text(), is_same, "{row}: {host}{path}");
    }
}

#[tokio::test]
async fn what_came_over_https_is_not_given_over_http() {
    let config =
        one_route("{}").replace("sites:", "client: { trusted_proxies: [127.0.0.1] }\n        sites:");
    let stage = Stage::of(obedient().await, &config).await;
    let over =
        |scheme: &str| told(stage.client().get("/"), &[MAX_AGE]).header("x-forwarded-proto", scheme).send();
    assert_eq!(over("https").await.text(), "1");
    assert_eq!(over("http").await.text(), "2");
    assert_eq!(over("https").await.text(), "1");
}

#[tokio::test]
async fn what_was_answered_to_somebody_is_given_to_nobody() {
    let stage = Stage::new("{}").await;
    let credentials = [("authorization", "Basic YTpi"), ("cookie", "session=1")];
    for (name, value) in credentials {
        let path = format!("/{name}");
        let first = told(stage.client().get(&path), &[MAX_AGE]).header(name, value).send().await;
        let nobody = stage.get(&path, &[MAX_AGE]).await;
        assert_ne!(first.text(), nobody.text(), "{name}: to nobody");
        let somebody = stage.client().get(&path).header(name, "other").send().await;
        assert_ne!(first.text(), somebody.text(), "{name}: to somebody else");
        assert_ne!(nobody.text(), somebody.text(), "{name}: what was answered to nobody");
        let again = stage.client().get(&path).header(name, value).send().await;
        assert_ne!(again.text(), first.text(), "{name}: to the same again");
    }
}

/// A site whose users are known to a filter that takes their credentials away.
fn guarded(filters: &str) -> String {
    format!(
        r#"
        sites: [{{ name: app, routes: [{{ name: page, filters: [{filters}], api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: ["${{APP}}"] }} }}
        "#
    )
}

#[tokio::test]
async fn who_may_not_come_in_gets_nothing_from_here_either() {
    const KEYS: &str = "api_key: { keys: { ada: one-two-three-four-five, bob: six-seven-eight-nine-ten } }";
    // Wherever the cache stands.
    for filters in [format!("{{ cache: {{}} }}, {{ {KEYS} }}"), format!("{{ {KEYS} }}, {{ cache: {{}} }}")] {
        let stage = Stage::of(obedient().await, &guarded(&filters)).await;
        let as_ada = |path: &str| stage.client().get(path).header("x-api-key", "one-two-three-four-five");
        let as_bob = |path: &str| stage.client().get(path).header("x-api-key", "six-seven-eight-nine-ten");
        let shared = [("cache-control", "public, max-age=60")];
        let first = told(as_ada("/shared"), &shared).send().await;
        first.assert_status(200);
        as_bob("/shared").send().await.assert_status(200).assert_text(&first.text());
        stage.client().get("/shared").send().await.assert_status(401);
        let first = told(as_ada("/own"), &[MAX_AGE]).send().await;
        let second = as_bob("/own").send().await;
        assert_ne!(first.text(), second.text(), "{filters}: a key is a credential");
    }
}

#[tokio::test]
async fn an_unkeyed_header_does_not_choose_the_answer_for_others() {
    let answer = |seen: Seen| async move {
        let path = seen.header("x-original-url").unwrap_or(seen.path()).to_owned();
        let method = seen.header("x-http-method-override").unwrap_or("GET").to_owned();
        Response::text(format!("{method} {path}")).header("cache-control", "max-age=60")
    };
    let stage = Stage::of(Origin::builder().otherwise(answer).start().await, &one_route("{}")).await;
    let poison =
        stage.client().get("/").header("x-original-url", "/evil").header("x-http-method-override", "POST");
    poison.send().await.assert_text("GET /");
    stage.client().get("/").send().await.assert_text("GET /");
}

#[tokio::test]
async fn a_body_is_not_swallowed() {
    let stage = Stage::new("{}").await;
    stage.get("/", &[MAX_AGE]).await;
    // A GET with a body is not what the answer was for, and its connection goes on behind it.
    let client = stage.client().keep().await;
    let with_body = client.get("/").body("x=1").send().await;
    assert_eq!(status_of(&with_body), "fwd=bypass; detail=request");
    assert_eq!(status_of(&client.get("/").send().await), "hit");
    assert_eq!(status_of(&client.get("/").send().await), "hit", "the connection is kept");
}

#[tokio::test]
async fn response_filters_act_on_each_answer_and_not_on_what_is_kept() {
    let filters = "{ headers: { response: { add: { X-Served: here } } } }, { cache: {} }, \
                   { headers: { response: { add: { X-Behind: here } } } }";
    let stage = Stage::of(obedient().await, &guarded(filters)).await;
    for row in ["miss", "hit", "hit again"] {
        let reply = stage.get("/", &[MAX_AGE, ("x-served", "there")]).await;
        let served: Vec<_> = reply.headers.get_all("x-served").iter().collect();
        assert_eq!(served, ["there", "here"], "{row}");
        let behind: Vec<_> = reply.headers.get_all("x-behind").iter().collect();
        assert_eq!(behind, ["here"], "{row}");
    }
}

#[tokio::test]
async fn routes_do_not_answer_for_each_other() {
    let (one, two) = (Origin::fixed("one").await, Origin::fixed("two").await);
    let gateway = Gateway::config(
        r#"
        sites:
          - filters: [{ cache: { ttl: 1m } }]
            routes:
              - { match: { path: /, headers: { X-Beta: "1" } }, api: { upstream: two } }
              - { api: { upstream: one } }
        upstreams: { one: { servers: ["${ONE}"] }, two: { servers: ["${TWO}"] } }
        "#,
    )
    .variable("ONE", one.address())
    .variable("TWO", two.address())
    .start()
    .await;
    for _ in 0..2 {
        gateway.client().get("/").send().await.assert_text("one");
        gateway.client().get("/").header("x-beta", "1").send().await.assert_text("two");
    }
    assert_eq!((one.hits(), two.hits()), (1, 1));
}

/// Refuses what has no body.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, garde::Validate)]
#[serde(deny_unknown_fields)]
struct Picky {}

impl Module for Picky {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Self {}))
    }
}

#[async_trait]
impl Filter for Picky {
    fn phases(&self) -> Phases {
        Phases::REQUEST_BODY
    }

    fn request_body(&self, piece: &mut Option<Bytes>, end: bool, _: &mut Context) -> Result<Flow, BoxError> {
        let is_empty = end && piece.as_ref().is_none_or(Bytes::is_empty);
        let refusal = LocalReply::error(StatusCode::FORBIDDEN, "test_refused");
        Ok(if is_empty { Flow::Reply(refusal) } else { Flow::Continue })
    }
}

#[tokio::test]
async fn a_filter_that_sees_bodies_has_the_last_word() {
    let origin = obedient().await;
    let config = guarded("{ cache: { ttl: 1m } }, { picky: {} }");
    let gateway = Gateway::config(&config).variable("APP", origin.address());
    let gateway = gateway.server(Server::new().filter::<Picky>("picky")).start().await;
    for row in ["first", "second"] {
        let reply = gateway.client().get("/").send().await;
        assert_eq!(reply.status, 403, "{row}: nothing is fetched or given without its leave");
    }
}
