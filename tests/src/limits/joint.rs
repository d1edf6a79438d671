//! Several limits on one request: all are charged or none.

use std::time::{Duration, Instant};

use headwall_testkit::{Client, RedisServer};

use super::{behind, decided, statuses};

/// A limit by address that would let five pass, and one by account that lets one.
const BOTH: &str =
    "{ rate_limit: { rate: 1r/m, burst: 4 } }, { rate_limit: { rate: 1r/m, key: { query: account } } }";

#[tokio::test]
async fn what_the_second_limit_refuses_is_not_charged_by_the_first() {
    for filters in [format!("[{BOTH}]"), {
        let (first, second) = BOTH.split_once("}, {").unwrap();
        format!("[{{{second}, {first}}}]")
    }] {
        let gateway = behind(&filters).await;
        let login = |account: &'static str| gateway.client().get(account);
        assert_eq!(statuses(1, || login("/?account=ada")).await, [200], "{filters}");
        assert_eq!(
            statuses(20, || login("/?account=ada")).await,
            [429; 20],
            "{filters}: the account's limit"
        );
        for account in ["/?account=b", "/?account=c", "/?account=d", "/?account=e"] {
            assert_eq!(statuses(1, || login(account)).await, [200], "{filters}: {account}");
        }
        assert_eq!(
            statuses(1, || login("/?account=f")).await,
            [429],
            "{filters}: five were charged by address"
        );
        assert_eq!((decided(&gateway, "passed"), decided(&gateway, "rejected")), (10.0, 21.0), "{filters}");
    }
}

#[tokio::test]
async fn a_filter_in_between_separates_limits() {
    let gateway = behind(
        "[{ rate_limit: { rate: 1r/m, burst: 4 } }, { headers: { request: { set: { X-A: b } } } },
          { rate_limit: { rate: 1r/m, key: { query: account } } }]",
    )
    .await;
    let login = || gateway.client().get("/?account=ada");
    assert_eq!(statuses(5, login).await, [200, 429, 429, 429, 429]);
    assert_eq!(statuses(1, || gateway.client().get("/?account=bob")).await, [429], "five were charged");
}

#[tokio::test]
async fn the_longest_delay_is_waited_once() {
    let gateway = behind(
        "[{ rate_limit: { rate: 10r/s, burst: 5, delay: all } },
          { rate_limit: { rate: 5r/s, burst: 5, delay: all, key: route } }]",
    )
    .await;
    let client = Client::connect(gateway.address()).await;
    let start = Instant::now();
    assert_eq!(statuses(2, || client.get("/")).await, [200; 2]);
    let took = start.elapsed();
    assert!(
        (Duration::from_millis(190)..Duration::from_millis(290)).contains(&took),
        "200 ms, not 300: {took:?}"
    );
}

#[tokio::test]
async fn a_dry_run_beside_a_limit_changes_nothing() {
    let gateway = behind(
        "[{ rate_limit: { rate: 1r/m, dry_run: true } }, { rate_limit: { rate: 1r/m, burst: 2, key: route } }]",
    )
    .await;
    assert_eq!(statuses(4, || gateway.client().get("/")).await, [200, 200, 200, 429]);
    assert_eq!((decided(&gateway, "passed_dry_run"), decided(&gateway, "rejected_dry_run")), (1.0, 2.0));
    assert_eq!((decided(&gateway, "passed"), decided(&gateway, "rejected")), (3.0, 1.0));
}

#[tokio::test]
async fn limits_here_and_in_redis_decide_together() {
    let Some(redis) = RedisServer::start().await else { return };
    let store = format!("{{ redis: \"{}\", timeout: 5s }}", redis.url());
    let rows = [
        format!("[{{ rate_limit: {{ rate: 1r/m, burst: 4, store: {store} }} }},
                  {{ rate_limit: {{ rate: 1r/m, key: {{ query: account }} }} }}]"),
        format!("[{{ rate_limit: {{ rate: 1r/m, burst: 4 }} }},
                  {{ rate_limit: {{ rate: 1r/m, key: {{ query: account }}, store: {store} }} }}]"),
        format!("[{{ rate_limit: {{ rate: 1r/m, burst: 4, zone: addresses, store: {store} }} }},
                  {{ rate_limit: {{ rate: 1r/m, key: {{ query: account }}, zone: accounts, store: {store} }} }}]"),
    ];
    for filters in rows {
        redis.cli(&["FLUSHALL"]).await;
        let gateway = behind(&filters).await;
        let login = |account: &'static str| gateway.client().get(account);
        assert_eq!(statuses(6, || login("/?account=ada")).await, [200, 429, 429, 429, 429, 429], "{filters}");
        for account in ["/?account=b", "/?account=c", "/?account=d", "/?account=e"] {
            assert_eq!(statuses(1, || login(account)).await, [200], "{filters}: {account}");
        }
        assert_eq!(statuses(1, || login("/?account=f")).await, [429], "{filters}");
    }
}
