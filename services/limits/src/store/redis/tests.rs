//! The script against a zone, in a Redis and in a cluster.

use std::num::NonZeroUsize;
use std::time::Duration;

use headwall_core::Metrics;
use headwall_limit::{Decision, FakeClock, Zone};
use headwall_testkit::{RedisServer, eventually};

use super::*;

async fn connected(json: &str) -> Arc<Redis> {
    let settings = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let redis = Arc::new(Redis::new(&settings, &PURPOSE, SCRIPT, &Metrics::new().unwrap()).unwrap());
    redis.clone().warm_up().await;
    eventually(20, async || redis.is_up().then_some(())).await;
    redis
}

/// A store that waits as long as a busy machine needs.
async fn patient(server: &RedisServer) -> Arc<Redis> {
    connected(&format!(r#"{{"redis":"{}","timeout":"10s"}}"#, server.url())).await
}

fn quota(rate: &str, burst: u32) -> Quota {
    Quota::new(rate.parse().unwrap(), burst)
}

fn key(n: u32) -> Key {
    Key::address(std::net::IpAddr::V4(n.into()))
}

fn account<'a>(prefix: &'a str, n: u32, quota: &'a Quota) -> Account<'a> {
    Account { prefix, key: key(n), quota }
}

/// A decision at a moment of the test's.
async fn decision_at(redis: &Arc<Redis>, now: u64, account: Account<'_>) -> Decision {
    let quota = *account.quota;
    let numbers = redis.ask(&call(redis, &[account], Charge::IfAllowed, Some(now))).await.unwrap();
    Decision::on(quota, standings(&numbers)[0])
}

/// What nginx's own answers are compared by: whether it passes, the excess and the delay.
fn answer(decision: Decision) -> (bool, u64, Duration) {
    (!decision.is_reject(), decision.excess(), decision.delay())
}

#[tokio::test]
async fn the_script_answers_as_nginx_does() {
    let Some(server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    let many = |at: u64, times: usize| vec![at; times];
    let rows = [
        (
            quota("5r/m", 2),
            [many(0, 4), vec![5_000, 12_000, 12_047, 12_048, 12_049, 12_060, 24_096, 24_120, 36_200, 36_201]]
                .concat(),
            "PPPRRRRRPRRPPR",
        ),
        (
            quota("10r/s", 20),
            [many(0, 22), vec![99, 100, 101, 200, 250, 300]].concat(),
            "PPPPPPPPPPPPPPPPPPPPPRRPRPRP",
        ),
        (quota("10r/s", 0), vec![0, 50, 99, 100], "PRRP"),
        (quota("10r/s", 20).delay_after(0), [many(0, 5), vec![50]].concat(), "PPPPPP"),
        (quota("10r/s", 20).delay_after(8), many(0, 12), "PPPPPPPPPPPP"),
        (quota("30r/m", 2).delay_after(1), [many(0, 4), vec![2_000, 60_000]].concat(), "PPPRPP"),
    ];
    for (row, (quota, times, expected)) in rows.into_iter().enumerate() {
        let clock = FakeClock::new();
        let zone = Zone::with_clock(quota, NonZeroUsize::new(16).unwrap(), clock.clone());
        let prefix = format!("vectors:{row}");
        let mut verdicts = String::new();
        // Long after Redis' own beginning, so that a clock that jumps back has where to go.
        let start = 1_000_000_000_000;
        for at in times {
            clock.advance(Duration::from_millis(at) - Duration::from_millis(clock_of(&clock)));
            let ours = decision_at(&store, start + at, account(&prefix, 1, &quota)).await;
            assert_eq!(answer(ours), answer(zone.check(key(1))), "row {row} at {at}");
            verdicts.push(if ours.is_reject() { 'R' } else { 'P' });
        }
        assert_eq!(verdicts, expected, "row {row}");
    }
}

fn clock_of(clock: &FakeClock) -> u64 {
    use headwall_limit::Clock as _;
    clock.now().get()
}

#[tokio::test]
async fn whatever_happens_the_script_and_a_zone_agree() {
    let Some(server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    // A small generator of one's own: the same walk each time, so that a failure can be looked at.
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..20 {
        let rate = format!("{}r/h", 4 + random(100_000));
        let quota = quota(&rate, u32::try_from(random(20)).unwrap());
        let clock = FakeClock::new();
        let zone = Zone::with_clock(quota, NonZeroUsize::new(16).unwrap(), clock.clone());
        clock.advance(Duration::from_millis(10_000_000));
        let prefix = format!("walk:{round}");
        for step in 0..60 {
            match random(10) {
                0..4 => {}
                4..8 => clock.advance(Duration::from_millis(random(2_000))),
                8 => clock.advance(Duration::from_millis(random(4_000_000))),
                _ => clock.rewind(Duration::from_millis(random(100_000))),
            }
            let ours = decision_at(&store, clock_of(&clock), account(&prefix, 1, &quota)).await;
            assert_eq!(answer(ours), answer(zone.check(key(1))), "{rate}, round {round}, step {step}");
        }
    }
}

#[tokio::test]
async fn several_accounts_are_charged_together_or_not_at_all() {
    let Some(server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    let (wide, narrow) = (quota("4r/h", 9), quota("4r/h", 0));
    let both = || [account("wide", 1, &wide), account("narrow", 1, &narrow)];
    let first = visit(&store, &both(), Charge::IfAllowed).await.unwrap();
    assert_eq!(first.as_slice(), [None, None], "nobody has seen them");
    for _ in 0..3 {
        let standings = visit(&store, &both(), Charge::IfAllowed).await.unwrap();
        assert!(Decision::on(narrow, standings[1]).is_reject());
        assert_eq!(standings[0].unwrap().excess, 0, "the wide one was charged once");
    }
    visit(&store, &both(), Charge::Never).await.unwrap();
    visit(&store, &[account("wide", 1, &wide)], Charge::Always).await.unwrap();
    let standings = visit(&store, &both(), Charge::Never).await.unwrap();
    let excess = standings[0].unwrap().excess;
    assert!((900..=1_000).contains(&excess), "a look charges nothing, and a charge is one: {excess}");
}

#[tokio::test]
async fn accounts_leave_redis_when_to_forget_them_changes_nothing() {
    let Some(server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    let quota = quota("1r/s", 9);
    for _ in 0..5 {
        visit(&store, &[account("headwall:rate:logins", 1, &quota)], Charge::IfAllowed).await.unwrap();
    }
    let keys = server.cli(&["KEYS", "*"]).await;
    assert_eq!(keys.trim(), format!("headwall:rate:logins:{:032x}", key(1).to_bits()));
    let left: u64 = server.cli(&["PTTL", keys.trim()]).await.trim().parse().unwrap();
    assert!((50_000..=65_000).contains(&left), "five seconds to drain and a minute: {left}");
}

#[tokio::test]
async fn a_cluster_keeps_accounts_on_different_servers() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let bus = RedisServer::free_port().to_string();
        let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        let Some(server) = RedisServer::start_with(&arguments).await else { return };
        servers.push(server);
    }
    let addresses: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
    let mut create = vec!["--cluster", "create"];
    create.extend(addresses.iter().map(String::as_str));
    create.push("--cluster-yes");
    servers[0].cli(&create).await;
    let urls = servers.iter().map(|server| format!("\"{}\"", server.url())).collect::<Vec<_>>().join(",");
    let store = connected(&format!(r#"{{"redis":[{urls}],"cluster":true,"timeout":"10s"}}"#)).await;
    assert!(store.is_split());
    let quota = quota("4r/h", 0);
    for n in 0..50 {
        let visit = || async { visit(&store, &[account("logins", n, &quota)], Charge::IfAllowed).await };
        let (first, second) = (visit().await, visit().await);
        assert_eq!(first.as_deref(), Some(&[None][..]), "{n}");
        assert!(Decision::on(quota, second.unwrap()[0]).is_reject(), "{n}");
    }
    for server in &servers {
        let keys: u32 = server.cli(&["DBSIZE"]).await.trim().parse().unwrap();
        assert!((1..50).contains(&keys), "{keys} of 50");
    }
}
