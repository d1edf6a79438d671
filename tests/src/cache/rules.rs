//! What RFC 9111 says about keeping and giving again, as a table of two requests each.

use super::{Lines, Stage, status_of, told};

/// One rule: what the first request is answered with, what the second one says, and what becomes of that.
pub(super) struct Rule {
    pub(super) answer: Lines<'static>,
    pub(super) request: Lines<'static>,
    /// What `Cache-Status` says on the second answer.
    pub(super) becomes: &'static str,
    /// Whether the second answer is the first one.
    pub(super) is_first: bool,
    /// What nginx does otherwise, and why.
    pub(super) nginx: Option<&'static str>,
    pub(super) why: &'static str,
}

const HIT: &str = "hit";
const STILL_GOOD: &str = "fwd=stale; fwd-status=304; stored";
const ETAG: (&str, &str) = ("etag", "\"a\"");

const fn rule(
    answer: Lines<'static>,
    request: Lines<'static>,
    becomes: &'static str,
    is_first: bool,
    why: &'static str,
) -> Rule {
    Rule { answer, request, becomes, is_first, nginx: None, why }
}

const fn unlike_nginx(
    answer: Lines<'static>,
    request: Lines<'static>,
    becomes: &'static str,
    is_first: bool,
    (why, nginx): (&'static str, &'static str),
) -> Rule {
    Rule { answer, request, becomes, is_first, nginx: Some(nginx), why }
}

const MAX_AGE: (&str, &str) = ("cache-control", "max-age=60");
const PUBLIC: (&str, &str) = ("cache-control", "public, max-age=60");
const NOT_KEPT: &str = "fwd=bypass; detail=not-kept";
const FOR_OTHERS: &str = "fwd=bypass; detail=credentials";
const IN_2001: (&str, &str) = ("last-modified", "Mon, 01 Jan 2001 00:00:00 GMT");

/// The rules, by section.
pub(super) const RULES: &[Rule] = &[
    // 3: storing.
    rule(&[MAX_AGE], &[], HIT, true, "3: it says for how long it is good"),
    rule(&[], &[], NOT_KEPT, false, "4.2.2: heuristics are not used"),
    rule(&[ETAG], &[], NOT_KEPT, false, "4.2.2: a validator alone says nothing"),
    rule(&[("cache-control", "no-store")], &[], NOT_KEPT, false, "5.2.2.5"),
    rule(
        &[("cache-control", "no-store, max-age=60")],
        &[],
        NOT_KEPT,
        false,
        "5.2.2.5: whatever else it says",
    ),
    rule(&[("cache-control", "private, max-age=60")], &[], NOT_KEPT, false, "5.2.2.7: this cache is shared"),
    rule(&[("cache-control", "Max-Age=60")], &[], HIT, true, "5.2: directives have no case"),
    unlike_nginx(
        &[("cache-control", "max-age=\"60\"")],
        &[],
        HIT,
        true,
        ("5.2: either form is understood", "it reads tokens alone"),
    ),
    rule(
        &[("cache-control", "extension=\"a,b\", max-age=60")],
        &[],
        HIT,
        true,
        "5.2.3: what is not known is nothing",
    ),
    rule(&[MAX_AGE, ("set-cookie", "a=1")], &[], NOT_KEPT, false, "7.3: a cookie is somebody's"),
    rule(&[MAX_AGE, ("status", "404")], &[], HIT, true, "3: any status that says so"),
    rule(&[MAX_AGE, ("status", "301"), ("location", "/x")], &[], HIT, true, "3: a redirect"),
    rule(&[MAX_AGE, ("status", "302"), ("location", "/x")], &[], HIT, true, "3: a redirect that says so"),
    unlike_nginx(
        &[MAX_AGE, ("status", "500")],
        &[],
        "fwd=uri-miss; fwd-status=500; detail=status",
        false,
        ("an accident is not kept", "it keeps any status that says so"),
    ),
    // 3.5: who asks.
    unlike_nginx(
        &[MAX_AGE],
        &[("authorization", "Basic YTpi")],
        FOR_OTHERS,
        false,
        ("3.5: what was answered to nobody is not for somebody", "it does not look at Authorization"),
    ),
    unlike_nginx(
        &[MAX_AGE],
        &[("cookie", "a=1")],
        FOR_OTHERS,
        false,
        ("the same for cookies", "it does not look at cookies"),
    ),
    rule(&[PUBLIC], &[("authorization", "Basic YTpi")], HIT, true, "3.5: public"),
    rule(&[("cache-control", "s-maxage=60")], &[("authorization", "Basic YTpi")], HIT, true, "3.5: s-maxage"),
    rule(
        &[("cache-control", "must-revalidate, max-age=60")],
        &[("authorization", "Basic YTpi")],
        HIT,
        true,
        "3.5: must-revalidate",
    ),
    rule(&[PUBLIC], &[("cookie", "a=1")], HIT, true, "the same for cookies"),
    // 4.1: Vary.
    rule(&[MAX_AGE, ("vary", "accept-language")], &[], HIT, true, "4.1: neither says anything"),
    rule(
        &[MAX_AGE, ("vary", "accept-language")],
        &[("accept-language", "de")],
        "fwd=vary-miss; fwd-status=200; detail=no-freshness",
        false,
        "4.1: another language",
    ),
    rule(&[MAX_AGE, ("vary", "*")], &[], NOT_KEPT, false, "4.1: it depends on more than headers"),
    rule(
        &[MAX_AGE, ("vary", "accept-language")],
        &[("accept", "text/html")],
        HIT,
        true,
        "4.1: a header that does not matter",
    ),
    // 4.2: freshness.
    rule(&[("cache-control", "max-age=0, s-maxage=60")], &[], HIT, true, "5.2.2.10: s-maxage before max-age"),
    rule(
        &[("cache-control", "s-maxage=0, max-age=60")],
        &[],
        NOT_KEPT,
        false,
        "5.2.2.10: also if it is less",
    ),
    rule(&[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")], &[], HIT, true, "5.3: Expires"),
    rule(&[("expires", "Thu, 01 Jan 2009 00:00:00 GMT")], &[], NOT_KEPT, false, "5.3: Expires in the past"),
    rule(&[("expires", "0")], &[], NOT_KEPT, false, "5.3: what is no date is past"),
    unlike_nginx(
        &[("expires", "0"), MAX_AGE],
        &[],
        HIT,
        true,
        ("5.3: max-age before Expires", "the one that it reads first counts"),
    ),
    rule(
        &[("cache-control", "max-age=0"), ("expires", "Thu, 01 Jan 2099 00:00:00 GMT")],
        &[],
        NOT_KEPT,
        false,
        "5.3: also if it is less",
    ),
    rule(&[("cache-control", "max-age=1.5")], &[], NOT_KEPT, false, "4.2.1: what cannot be read is stale"),
    rule(&[MAX_AGE, ("age", "30")], &[], HIT, true, "4.2.3: half of its time is left"),
    unlike_nginx(
        &[MAX_AGE, ("age", "61")],
        &[],
        NOT_KEPT,
        false,
        ("4.2.3: it was stale when it came", "it does not look at Age"),
    ),
    unlike_nginx(
        &[MAX_AGE, ("date", "Mon, 01 Jan 2001 00:00:00 GMT")],
        &[],
        NOT_KEPT,
        false,
        ("4.2.3: its date tells that it is old", "it does not look at Date"),
    ),
    // 4.3: asking whether it is still good.
    unlike_nginx(
        &[("cache-control", "no-cache"), ETAG],
        &[],
        STILL_GOOD,
        true,
        ("5.2.2.4: kept, and asked about each time", "it does not keep it"),
    ),
    unlike_nginx(
        &[("cache-control", "no-cache, max-age=60"), ETAG],
        &[],
        STILL_GOOD,
        true,
        ("5.2.2.4: however fresh", "it does not keep it"),
    ),
    unlike_nginx(
        &[("cache-control", "max-age=0"), ETAG],
        &[],
        STILL_GOOD,
        true,
        ("4.3.1: by its tag", "it does not keep it"),
    ),
    unlike_nginx(
        &[("cache-control", "max-age=0"), IN_2001],
        &[],
        STILL_GOOD,
        true,
        ("4.3.1: by its date", "it does not keep it"),
    ),
    // 5.2.1: what clients say.
    rule(
        &[MAX_AGE],
        &[("cache-control", "no-cache")],
        HIT,
        true,
        "5.2.1: a client cannot have the upstream asked",
    ),
    rule(&[MAX_AGE], &[("cache-control", "max-age=0")], HIT, true, "5.2.1: nor so"),
    rule(&[MAX_AGE], &[("pragma", "no-cache")], HIT, true, "5.4: nor so"),
    // 4.3.2: what clients have.
    rule(&[MAX_AGE, ETAG], &[("if-none-match", "\"b\"")], HIT, true, "4.3.2: the client has another"),
    rule(
        &[MAX_AGE, ETAG],
        &[("if-match", "\"b\"")],
        "fwd=bypass; detail=request",
        false,
        "4.3.2: only the server can tell",
    ),
];

#[tokio::test]
async fn answers_are_kept_and_given_by_the_rules() {
    let stage = Stage::new("{}").await;
    for (index, rule) in RULES.iter().enumerate() {
        let path = format!("/{index}");
        let first = stage.get(&path, rule.answer).await;
        let second = rule
            .request
            .iter()
            .fold(stage.client().get(&path), |call, (name, value)| call.header(name, value));
        // To be asked again, the origin has to know what it is asked about.
        let is_asked_again = rule.becomes == STILL_GOOD;
        let second = told(second, if is_asked_again { rule.answer } else { &[] });
        // Whatever comes second is an error of the server where the first was one.
        let second = if rule.becomes.contains("500") { told(second, rule.answer) } else { second };
        let second = second.send().await;
        assert_eq!(
            status_of(&second),
            rule.becomes,
            "{}: {:?} then {:?}",
            rule.why,
            rule.answer,
            rule.request
        );
        assert_eq!(second.text() == first.text(), rule.is_first, "{}", rule.why);
        assert_eq!(stage.origin.hits_of(&path), if rule.becomes == HIT { 1 } else { 2 }, "{}", rule.why);
        if rule.is_first {
            assert!(second.header("age").is_some(), "{}: 5.1: its age is told", rule.why);
        }
    }
}

#[tokio::test]
async fn a_client_that_may_say_what_it_wants_is_heard() {
    let stage = Stage::new("{ client_directives: true }").await;
    let rows = [
        ("no-cache", "fwd=stale; fwd-status=200; detail=no-freshness", "5.2.1.4"),
        ("max-age=0", "fwd=stale; fwd-status=200; detail=no-freshness", "5.2.1.1"),
        ("max-age=100", HIT, "5.2.1.1: young enough"),
        ("min-fresh=100", "fwd=stale; fwd-status=200; detail=no-freshness", "5.2.1.3"),
        ("min-fresh=10", HIT, "5.2.1.3: good for long enough"),
        ("only-if-cached", HIT, "5.2.1.7"),
    ];
    for (directive, expected, row) in rows {
        let path = format!("/{directive}").replace('=', "-");
        stage.get(&path, &[MAX_AGE]).await;
        let second = stage.client().get(&path).header("cache-control", directive).send().await;
        assert_eq!(status_of(&second), expected, "{row}: {directive}");
    }
    let only = stage.client().get("/never").header("cache-control", "only-if-cached").send().await;
    only.assert_status(504);
    assert_eq!(stage.origin.hits_of("/never"), 0, "nobody was asked");
}

#[tokio::test]
async fn what_a_client_does_not_want_kept_is_not_kept() {
    let stage = Stage::new("{}").await;
    let asked = told(stage.client().get("/"), &[MAX_AGE]).header("cache-control", "no-store");
    assert_eq!(status_of(&asked.send().await), "fwd=bypass; detail=request", "5.2.1.5");
    assert_eq!(status_of(&stage.get("/", &[MAX_AGE]).await), "fwd=uri-miss; fwd-status=200; stored");
}

#[tokio::test]
async fn a_change_makes_what_is_kept_of_its_address_be_forgotten() {
    let stage = Stage::new("{}").await;
    let rows = [
        ("POST", &[][..], true, "4.4"),
        ("PUT", &[("status", "204")], true, "4.4"),
        ("DELETE", &[("status", "303"), ("location", "/list")], true, "4.4: a redirect is no error"),
        ("BREW", &[], true, "4.4: a method that nobody knows"),
        ("POST", &[("status", "400")], false, "4.4: what was refused has changed nothing"),
        ("POST", &[("status", "500")], false, "4.4: nor has an accident"),
        ("OPTIONS", &[], false, "a safe method"),
    ];
    for (index, (method, answer, is_forgotten, row)) in rows.into_iter().enumerate() {
        let path = format!("/{index}?q=1");
        stage.get(&path, &[MAX_AGE]).await;
        stage.get(&format!("/{index}?q=2"), &[MAX_AGE]).await;
        let change = stage.client().request(method.parse().unwrap(), &path);
        told(change, answer).send().await;
        let again = stage.get(&path, &[MAX_AGE]).await;
        assert_eq!(status_of(&again) != HIT, is_forgotten, "{row}: {method}");
        let beside = stage.get(&format!("/{index}?q=2"), &[MAX_AGE]).await;
        assert_eq!(status_of(&beside), HIT, "{row}: another address");
    }
    stage.get("/new", &[MAX_AGE]).await;
    stage.get("/other", &[MAX_AGE]).await;
    told(stage.client().post("/list", "x"), &[("status", "201"), ("location", "/new")]).send().await;
    assert_ne!(status_of(&stage.get("/new", &[MAX_AGE]).await), HIT, "4.4: what the answer names");
    assert_eq!(status_of(&stage.get("/other", &[MAX_AGE]).await), HIT);
}

#[tokio::test]
async fn fields_that_are_somebodys_are_not_kept() {
    let stage = Stage::new("{}").await;
    let answer = &[
        ("cache-control", "max-age=60, private=\"x-user\", no-cache=\"set-cookie\""),
        ("x-user", "ada"),
        ("set-cookie", "a=1"),
        ("x-page", "7"),
    ];
    stage.get("/", answer).await.assert_header("x-user", "ada").assert_header("set-cookie", "a=1");
    let kept = stage.get("/", &[]).await;
    assert_eq!(status_of(&kept), HIT);
    kept.assert_no_header("x-user").assert_no_header("set-cookie").assert_header("x-page", "7");
}

#[tokio::test]
async fn the_config_may_say_what_answers_do_not() {
    let stage =
        Stage::new("{ ttl: 1m, ignore_set_cookie: true, ignore_credentials: true, ignore_query: [utm] }")
            .await;
    let first = told(stage.client().get("/?a=1&utm=x"), &[("set-cookie", "a=1")]).header("cookie", "b=2");
    first.send().await.assert_header("set-cookie", "a=1");
    let second = stage.client().get("/?utm=y&a=1").header("authorization", "Basic YTpi").send().await;
    assert_eq!(status_of(&second), HIT);
    second.assert_no_header("set-cookie");
    stage.get("/no", &[("cache-control", "no-store")]).await;
    assert_ne!(status_of(&stage.get("/no", &[]).await), HIT, "what the app forbids is forbidden");
}
