//! Counts in Redis: exact over several Headwalls, and no request lost when Redis is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use headwall_testkit::{Client, Gateway, RedisServer, eventually, within};

use super::{behind, decided, statuses};
use crate::outage::survived;

/// A limit in this Redis. The budget is that of a busy machine unless the test is about it.
fn limited(redis: &RedisServer, limit: &str, store: &str) -> String {
    format!("[{{ rate_limit: {{ {limit}, store: {{ redis: \"{}\", {store} }} }} }}]", redis.url())
}

/// The value of a metric about a Redis.
fn of_store(gateway: &Gateway, redis: &RedisServer, name: &str, more: &str) -> f64 {
    let server = format!("127.0.0.1:{}", redis.port());
    gateway.metric(&format!("{name}{{{more}server=\"{server}\"}}")).unwrap_or_default()
}

fn is_up(gateway: &Gateway, redis: &RedisServer) -> bool {
    of_store(gateway, redis, "headwall_rate_limit_store_up", "") > 0.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_headwalls_and_one_redis_count_exactly() {
    let Some(redis) = RedisServer::start().await else { return };
    // One request in 16 minutes comes back, so none does while the test runs.
    let filters = limited(&redis, "rate: 4r/h, burst: 99", "timeout: 5s");
    let gateways = [behind(&filters).await, behind(&filters).await, behind(&filters).await];
    let passed = Arc::new(AtomicU32::new(0));
    let clients = gateways.iter().cycle().take(12).map(|gateway| {
        let (client, passed) = (Client::to(gateway.address()), passed.clone());
        tokio::spawn(async move {
            for _ in 0..25 {
                match client.get("/").send().await.status.as_u16() {
                    200 => passed.fetch_add(1, Ordering::SeqCst),
                    status => {
                        assert_eq!(status, 429);
                        0
                    }
                };
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    within(60, async {
        for client in clients {
            client.await.unwrap();
        }
    })
    .await;
    assert_eq!(passed.load(Ordering::SeqCst), 100, "a hundred of three hundred, whoever was asked");
    let answered = |gateway| {
        of_store(gateway, &redis, "headwall_rate_limit_store_requests_total", "outcome=\"answered\",")
    };
    assert_eq!(gateways.iter().map(answered).sum::<f64>(), 300.0, "Redis decided on each");
    for gateway in &gateways {
        assert!(
            decided(gateway, "passed") > 0.0 && decided(gateway, "rejected") > 0.0,
            "each had a part in it"
        );
    }
}

#[tokio::test]
async fn texts_count_alike_everywhere_and_are_not_readable_in_redis() {
    let Some(redis) = RedisServer::start().await else { return };
    let filters =
        limited(&redis, "rate: 4r/h, key: { header: X-Api-Key }, zone: keys", "timeout: 5s, prefix: shop");
    let (one, other) = (behind(&filters).await, behind(&filters).await);
    let ask = |gateway: &Gateway| gateway.client().get("/").header("x-api-key", "open-sesame");
    assert_eq!(statuses(1, || ask(&one)).await, [200]);
    assert_eq!(statuses(1, || ask(&other)).await, [429]);
    let keys = redis.cli(&["KEYS", "*"]).await;
    assert!(keys.starts_with("shop:rate:keys:") && !keys.contains("sesame"), "{keys}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_started_again_under_load_loses_no_request() {
    let Some(mut redis) = RedisServer::start().await else { return };
    let filters = limited(&redis, "rate: 1000000r/s, burst: 1000000", "timeout: 100ms");
    let gateway = behind(&filters).await;
    let address = gateway.address();
    let requests = survived(
        &mut redis,
        50,
        |redis| is_up(&gateway, redis),
        |_, load| async move {
            let client = Client::connect(address).await;
            while load.goes_on() {
                client.get("/").send().await.assert_status(200);
                load.answered();
            }
        },
    )
    .await;
    let fallbacks = gateway.metric("headwall_rate_limit_fallbacks_total{place=\"app/login\"}").unwrap();
    assert!(fallbacks >= 150.0, "those without Redis were counted: {fallbacks}");
    assert_eq!(decided(&gateway, "passed"), f64::from(requests));
    assert_eq!(gateway.stop().await.len(), requests as usize, "a line for each");
}

#[tokio::test]
async fn without_redis_each_counts_by_itself_where_it_had_been() {
    let Some(mut redis) = RedisServer::start().await else { return };
    let gateway = behind(&limited(&redis, "rate: 4r/h, burst: 3", "timeout: 5s")).await;
    let ask = || gateway.client().get("/");
    assert_eq!(statuses(2, ask).await, [200; 2]);
    redis.kill().await;
    assert_eq!(statuses(3, ask).await, [200, 200, 429], "two of four were used up before");
    assert_eq!(gateway.metric("headwall_rate_limit_fallbacks_total{place=\"app/login\"}"), Some(3.0));
}

#[tokio::test]
async fn without_redis_the_config_says_what_becomes_of_a_request() {
    for (fallback, expected) in [("allow", [200; 3]), ("refuse", [503; 3])] {
        let dead = RedisServer::free_port();
        let store = format!("{{ redis: \"redis://127.0.0.1:{dead}\", fallback: {fallback} }}");
        let gateway = behind(&format!("[{{ rate_limit: {{ rate: 4r/h, store: {store} }} }}]")).await;
        assert_eq!(statuses(3, || gateway.client().get("/")).await, expected, "{fallback}");
        let decision = if fallback == "allow" { "passed" } else { "unavailable" };
        assert_eq!(decided(&gateway, decision), 3.0, "{fallback}");
        let log = gateway.stop().await;
        let reason = (fallback == "refuse").then_some("rate_limit_unavailable");
        assert_eq!(log[0]["reason"].as_str(), reason, "{fallback}");
    }
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up() {
    let Some(redis) = RedisServer::start().await else { return };
    let gateway = behind(&limited(&redis, "rate: 1000r/s, burst: 1000", "timeout: 50ms")).await;
    redis.freeze().await;
    let started = std::time::Instant::now();
    assert_eq!(statuses(100, || gateway.client().get("/")).await, [200; 100]);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(4), "a hundred times 50 ms would be five seconds: {took:?}");
    let outcome = |word: &str| {
        let label = format!("outcome=\"{word}\",");
        of_store(&gateway, &redis, "headwall_rate_limit_store_requests_total", &label)
    };
    assert_eq!((outcome("late"), outcome("skipped")), (5.0, 95.0));
    redis.thaw().await;
    eventually(20, async || is_up(&gateway, &redis).then_some(())).await;
}

#[tokio::test]
async fn a_reload_keeps_the_connection_and_the_counts() {
    let Some(redis) = RedisServer::start().await else { return };
    let yaml = |body: &str| {
        super::one_route(&limited(&redis, "rate: 4r/h, burst: 1", "timeout: 5s")).replace("welcome", body)
    };
    let mut gateway = Gateway::start(&yaml("one")).await;
    let client = gateway.client();
    assert_eq!(statuses(2, || client.get("/")).await, [200; 2]);
    gateway.reload(&yaml("two")).await.unwrap();
    assert_eq!(statuses(1, || client.get("/")).await, [429]);
    let accepted = redis.cli(&["INFO", "stats"]).await;
    let connections = accepted.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    // The test's own look at the start, the gateway, and this question.
    assert!(connections.is_some_and(|n| n.trim().parse::<u32>().unwrap() <= 4), "{connections:?}");
}

#[tokio::test]
async fn an_address_that_cannot_be_one_is_refused_without_being_printed() {
    let yaml = super::one_route("[{ rate_limit: { rate: 1r/m, store: { redis: \"${REDIS}\" } } }]");
    let error = Gateway::config(&yaml).variable("REDIS", "http://:hunter2@a").try_start().await.unwrap_err();
    assert!(error.contains("redis://user:password@host") && !error.contains("hunter2"), "{error}");
}
