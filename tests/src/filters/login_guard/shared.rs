//! A guard's state in Redis: three Headwalls guard as one, and no login is lost when Redis is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwall_testkit::{Gateway, Origin, RedisServer, eventually, within};

use super::{app, attempt, call, config, fails, guarded, series};
use crate::metrics::metric_is;
use crate::outage::survived;

/// More settings for a guard in this Redis. The budget is that of a busy machine unless the test is about it.
fn in_redis(redis: &RedisServer, settings: &str, timeout: &str) -> String {
    let key = "a secret that all of the Headwalls have";
    format!("{{ {settings}, key: {key}, store: {{ redis: \"{}\", timeout: {timeout} }} }}", redis.url())
}

async fn three(app: &Origin, settings: &str) -> [Gateway; 3] {
    [guarded(app, settings).await, guarded(app, settings).await, guarded(app, settings).await]
}

/// What three Headwalls count together.
fn sum(gateways: &[Gateway], metric: &str) -> f64 {
    gateways.iter().map(|gateway| gateway.metric(metric).unwrap_or_default()).sum()
}

/// The value of a metric about a Redis.
fn of_store(gateway: &Gateway, redis: &RedisServer, name: &str, more: &str) -> f64 {
    let name = format!("headwall_login_guard_store_{name}{{{more}server=\"127.0.0.1:{}\"}}", redis.port());
    gateway.metric(&name).unwrap_or_default()
}

fn is_up(gateway: &Gateway, redis: &RedisServer) -> bool {
    of_store(gateway, redis, "up", "") > 0.0
}

const FALLBACKS: &str = "headwall_login_guard_fallbacks_total{place=\"app/login\"}";

#[tokio::test]
async fn whoever_is_asked_next_knows_of_the_failure_before() {
    let Some(redis) = RedisServer::start().await else { return };
    let app = app().await;
    let gateways = three(&app, &in_redis(&redis, "failures: 5", "5s")).await;
    for client in 0..10 {
        let from = format!("192.0.2.{client}");
        for n in 0..5 {
            fails(&gateways[(client + n) % 3], 1, &from, "ada").await;
        }
        // Right behind the fifth answer, and at another one.
        attempt(&gateways[(client + 5) % 3], &from, "ada", "right").await.assert_status(429);
    }
    assert_eq!(app.hits(), 50, "the app has not heard of the sixth of anybody");
    let lockouts = series("lockouts", "kind", "address");
    eventually(10, async || (sum(&gateways, &lockouts) >= 10.0).then_some(())).await;
    assert_eq!(sum(&gateways, &lockouts), 10.0, "each is told of once");
    assert_eq!(sum(&gateways, FALLBACKS), 0.0, "Redis decided on all of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_three_headwalls_at_once_are_as_many_as_at_one() {
    let Some(redis) = RedisServer::start().await else { return };
    let app = app().await;
    let gateways = three(&app, &in_redis(&redis, "account: { json: email }", "5s")).await;
    // One address that tries accounts, and many addresses that try one account.
    let one = (0..60).map(|n| call(&gateways[n % 3], "192.0.2.1", &format!("person{n}"), "wrong"));
    let many = (0..90).map(|n| call(&gateways[n % 3], &format!("198.51.{n}.1"), "victim", "wrong"));
    let (one, many) = (one.map(|call| tokio::spawn(call.send())), many.map(|call| tokio::spawn(call.send())));
    for (guesses, expected) in [(one.collect::<Vec<_>>(), 5), (many.collect(), 10)] {
        let mut answered = 0;
        for guess in guesses {
            match within(30, guess).await.unwrap().status.as_u16() {
                401 => answered += 1,
                status => assert_eq!(status, 429),
            }
        }
        assert_eq!(answered, expected);
    }
    assert_eq!(app.hits(), 15);
    assert_eq!(sum(&gateways, FALLBACKS), 0.0);
}

#[tokio::test]
async fn who_is_let_in_by_one_is_at_home_at_all() {
    let Some(redis) = RedisServer::start().await else { return };
    let app = app().await;
    let [one, other, third] = three(&app, &in_redis(&redis, "account: { json: email }", "5s")).await;
    attempt(&one, "192.0.2.1", "victim", "right").await.assert_status(200);
    for n in 0..10 {
        fails(&one, 1, &format!("198.51.{n}.1"), "victim").await;
    }
    attempt(&other, "203.0.113.1", "victim", "right").await.assert_status(429);
    attempt(&other, "192.0.2.1", "victim", "right").await.assert_status(200);
    // A success takes back the failures that others have seen.
    for gateway in [&one, &third] {
        for _ in 0..3 {
            fails(&other, 4, "192.0.2.1", "victim").await;
            attempt(gateway, "192.0.2.1", "victim", "right").await.assert_status(200);
        }
    }
}

#[tokio::test]
async fn redis_is_told_no_name_and_no_secret() {
    let Some(redis) = RedisServer::start().await else { return };
    let app = app().await;
    let gateway = guarded(&app, &in_redis(&redis, "account: { json: email }", "5s")).await;
    fails(&gateway, 1, "192.0.2.1", "wilma@example.com").await;
    attempt(&gateway, "198.51.100.2", "wilma@example.com", "right").await.assert_status(200);
    let keys = eventually(10, async || {
        let keys = redis.cli(&["KEYS", "*"]).await;
        (keys.contains("known") && keys.contains("network")).then_some(keys)
    })
    .await;
    assert!(keys.lines().all(|key| key.starts_with("headwall:login:app/login:")), "{keys}");
    for key in keys.lines() {
        let value = redis.cli(&["GET", key]).await;
        for secret in ["wilma", "example", "secret"] {
            assert!(!value.contains(secret) && !key.contains(secret), "{key}: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_started_again_under_load_loses_no_login() {
    let Some(mut redis) = RedisServer::start().await else { return };
    let app = app().await;
    let settings = in_redis(&redis, "account: { json: email }", "100ms");
    let gateway = Arc::new(guarded(&app, &settings).await);
    let requests = survived(
        &mut redis,
        30,
        |redis| is_up(&gateway, redis),
        |client, load| {
            let gateway = gateway.clone();
            async move {
                let (from, who) = (format!("192.0.2.{client}"), format!("person{client}"));
                // People who mistype every other time.
                for (password, status) in [("wrong", 401), ("right", 200)].into_iter().cycle() {
                    if !load.goes_on() {
                        break;
                    }
                    attempt(&gateway, &from, &who, password).await.assert_status(status);
                    load.answered();
                }
            }
        },
    )
    .await;
    assert!(gateway.metric(FALLBACKS).unwrap() >= 90.0, "those without Redis were counted");
    assert_eq!(app.hits(), requests as usize);
    let outcomes = ["failed", "succeeded"].map(|word| gateway.metric(&series("attempts", "outcome", word)));
    assert_eq!(outcomes.into_iter().flatten().sum::<f64>(), f64::from(requests));
}

#[tokio::test]
async fn without_redis_each_guards_by_what_it_has_seen() {
    let Some(mut redis) = RedisServer::start().await else { return };
    let app = app().await;
    let gateway = guarded(&app, &in_redis(&redis, "failures: 3", "5s")).await;
    fails(&gateway, 2, "192.0.2.1", "ada").await;
    redis.kill().await;
    fails(&gateway, 1, "192.0.2.1", "ada").await;
    attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(429);
    attempt(&gateway, "192.0.2.2", "ada", "right").await.assert_status(200);
    metric_is(&gateway, &series("lockouts", "kind", "address"), 1.0).await;
    assert!(gateway.metric(FALLBACKS).unwrap() >= 3.0);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_no_login_up() {
    let Some(redis) = RedisServer::start().await else { return };
    let app = app().await;
    let gateway = guarded(&app, &in_redis(&redis, "account: { json: email }", "100ms")).await;
    redis.freeze().await;
    let started = Instant::now();
    for n in 0..50 {
        attempt(&gateway, &format!("192.0.2.{n}"), "ada", "right").await.assert_status(200);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "three budgets for each would be fifteen seconds: {took:?}");
    redis.thaw().await;
    eventually(20, async || is_up(&gateway, &redis).then_some(())).await;
}

#[tokio::test]
async fn a_reload_can_begin_to_share() {
    let Some(redis) = RedisServer::start().await else { return };
    let app = app().await;
    let mut gateway = guarded(&app, "{ failures: 2 }").await;
    fails(&gateway, 1, "192.0.2.1", "ada").await;
    let shared = config(&in_redis(&redis, "failures: 2", "5s")).replace("${APP}", &app.address().to_string());
    gateway.reload(&shared).await.unwrap();
    assert!(is_up(&gateway, &redis), "connected before the first request");
    fails(&gateway, 2, "192.0.2.1", "ada").await;
    attempt(&gateway, "192.0.2.1", "ada", "right").await.assert_status(429);
}

#[tokio::test]
async fn what_cannot_work_is_refused_without_being_printed() {
    let rows = [
        ("redis://:hunter2@a", "{ store: \"${REDIS}\" }", "key: ${LOGIN_KEY}"),
        ("http://:hunter2@a", "{ store: \"${REDIS}\", key: \"${KEY}\" }", "redis://127.0.0.1:6379"),
        ("redis://:hunter2@[", "{ store: \"${REDIS}\", key: \"${KEY}\" }", "redis://user:password@host"),
        ("redis://:hunter2@a", "{ store: \"${REDIS}\", key: \"${REDIS}\" }", "at least 32 bytes"),
        ("hunter2", "{ key: \"${KEY}\" }", "without a Redis"),
        (
            "redis://:hunter2@a",
            "{ store: { redis: \"${REDIS}\", fallback: allow }, key: \"${KEY}\" }",
            "counts here while Redis is gone",
        ),
    ];
    for (redis, settings, part) in rows {
        let gateway = Gateway::config(&config(settings)).variable("APP", "127.0.0.1:1");
        let gateway =
            gateway.variable("REDIS", redis).variable("KEY", "hunter2 hunter2 hunter2 hunter2 hunter2");
        let error = gateway.try_start().await.unwrap_err();
        assert!(error.contains(part) && !error.contains("hunter2"), "{settings}: {error}");
    }
}
