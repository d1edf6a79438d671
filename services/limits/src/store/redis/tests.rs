//! The script against a zone, and the store against a Redis that is killed, frozen, protected, clustered and guarded.

use std::num::NonZeroUsize;

use headwall_limit::{Decision, FakeClock, Zone};
use headwall_testkit::{Authority, RedisServer, eventually};

use super::*;

/// The settings that this JSON says.
fn settings(json: &str) -> RedisStore {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

async fn connected(json: &str) -> Arc<Redis> {
    let store = Arc::new(Redis::new(&settings(json), &Metrics::new().unwrap()).unwrap());
    store.clone().warm_up().await;
    is_up(&store).await;
    store
}

async fn is_up(store: &Arc<Redis>) {
    eventually(20, async || store.link.load().is_some().then_some(())).await;
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

impl Redis {
    /// A decision at a moment of the test's.
    async fn at(&self, now: u64, account: Account<'_>) -> Decision {
        let link = self.link.load_full().unwrap();
        let quota = *account.quota;
        let standings = self.ask(&link, &[account], Charge::IfAllowed, Some(now)).await.unwrap();
        Decision::on(quota, standings[0])
    }
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
            let ours = store.at(start + at, account(&prefix, 1, &quota)).await;
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
            let ours = store.at(clock_of(&clock), account(&prefix, 1, &quota)).await;
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
    let first = store.visit(&both(), Charge::IfAllowed).await.unwrap();
    assert_eq!(first.as_slice(), [None, None], "nobody has seen them");
    for _ in 0..3 {
        let standings = store.visit(&both(), Charge::IfAllowed).await.unwrap();
        assert!(Decision::on(narrow, standings[1]).is_reject());
        assert_eq!(standings[0].unwrap().excess, 0, "the wide one was charged once");
    }
    store.visit(&both(), Charge::Never).await.unwrap();
    store.visit(&[account("wide", 1, &wide)], Charge::Always).await.unwrap();
    let standings = store.visit(&both(), Charge::Never).await.unwrap();
    let excess = standings[0].unwrap().excess;
    assert!((900..=1_000).contains(&excess), "a look charges nothing, and a charge is one: {excess}");
}

#[tokio::test]
async fn accounts_leave_redis_when_to_forget_them_changes_nothing() {
    let Some(server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    let quota = quota("1r/s", 9);
    for _ in 0..5 {
        store.visit(&[account("headwall:rate:logins", 1, &quota)], Charge::IfAllowed).await.unwrap();
    }
    let keys = server.cli(&["KEYS", "*"]).await;
    assert_eq!(keys.trim(), format!("headwall:rate:logins:{:032x}", key(1).to_bits()));
    let left: u64 = server.cli(&["PTTL", keys.trim()]).await.trim().parse().unwrap();
    assert!((50_000..=65_000).contains(&left), "five seconds to drain and a minute: {left}");
}

#[tokio::test]
async fn a_script_that_redis_has_forgotten_is_told_again() {
    let Some(server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    let quota = quota("4r/h", 1);
    server.cli(&["SCRIPT", "FLUSH"]).await;
    assert!(store.visit(&[account("a", 1, &quota)], Charge::IfAllowed).await.is_some());
    assert_eq!(store.metrics.failed.get(), 0);
}

#[tokio::test]
async fn a_frozen_redis_costs_five_budgets_and_then_nothing() {
    let Some(server) = RedisServer::start().await else { return };
    let store = connected(&format!(r#"{{"redis":"{}","timeout":"50ms"}}"#, server.url())).await;
    let quota = quota("1r/s", 1_000);
    server.freeze().await;
    let started = Instant::now();
    for _ in 0..100 {
        assert!(store.visit(&[account("a", 1, &quota)], Charge::IfAllowed).await.is_none());
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "five times 50 ms, not a hundred times: {took:?}");
    assert_eq!((store.metrics.late.get(), store.metrics.up.get()), (5, 0));
    assert_eq!(store.metrics.skipped.get(), 95);
    server.thaw().await;
    is_up(&store).await;
    assert_eq!(store.metrics.up.get(), 1);
    let answers = async || store.visit(&[account("a", 2, &quota)], Charge::IfAllowed).await.map(drop);
    eventually(10, answers).await;
}

#[tokio::test]
async fn a_killed_redis_is_found_again() {
    let Some(mut server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    let quota = quota("1r/s", 1_000);
    server.kill().await;
    let gone =
        async || store.visit(&[account("a", 1, &quota)], Charge::IfAllowed).await.is_none().then_some(());
    eventually(10, gone).await;
    assert_eq!(store.metrics.up.get(), 0);
    server.start_again().await;
    is_up(&store).await;
    assert!(store.visit(&[account("a", 1, &quota)], Charge::IfAllowed).await.is_some());
}

#[tokio::test]
async fn nobody_looks_for_a_redis_that_no_limit_needs() {
    let dead = format!(r#"{{"redis":"redis://127.0.0.1:{}"}}"#, RedisServer::free_port());
    let store = Arc::new(Redis::new(&settings(&dead), &Metrics::new().unwrap()).unwrap());
    store.clone().warm_up().await;
    assert!(store.looking.load(Ordering::Acquire));
    let weak = Arc::downgrade(&store);
    drop(store);
    eventually(10, async || (weak.strong_count() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_password_is_used_and_a_wrong_one_is_not_printed() {
    let Some(server) = RedisServer::start_with(&["--requirepass", "hunter2"]).await else { return };
    let with = |password: &str| format!(r#"{{"redis":"redis://:{password}@127.0.0.1:{}"}}"#, server.port());
    connected(&with("hunter2")).await;
    let wrong = Redis::new(&settings(&with("correct-horse")), &Metrics::new().unwrap()).unwrap();
    let error = wrong.connect().await.unwrap_err().to_string();
    assert!(!error.contains("correct-horse") && !format!("{wrong:?}").contains("correct-horse"), "{error}");
}

#[tokio::test]
async fn rediss_is_verified() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(dir.path());
    let (certificate, key_file) = authority.issue(&["127.0.0.1", "localhost"]).write(dir.path());
    let port = RedisServer::free_port();
    let text = |path: &std::path::Path| path.display().to_string();
    let arguments = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &text(&certificate),
        "--tls-key-file",
        &text(&key_file),
        "--tls-auth-clients",
        "no",
    ]
    .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(_server) = RedisServer::start_with(&arguments).await else { return };
    let trusting = format!(r#"{{"redis":"rediss://localhost:{port}","ca":"{}","timeout":"10s"}}"#, text(&ca));
    let store = connected(&trusting).await;
    assert!(store.visit(&[account("a", 1, &quota("1r/s", 0))], Charge::IfAllowed).await.is_some());
    let distrusting = format!(r#"{{"redis":"rediss://localhost:{port}","timeout":"10s"}}"#);
    let store = Redis::new(&settings(&distrusting), &Metrics::new().unwrap()).unwrap();
    assert!(store.connect().await.is_err(), "nobody vouches for that certificate");
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
        let visit = || async { store.visit(&[account("logins", n, &quota)], Charge::IfAllowed).await };
        let (first, second) = (visit().await, visit().await);
        assert_eq!(first.as_deref(), Some(&[None][..]), "{n}");
        assert!(Decision::on(quota, second.unwrap()[0]).is_reject(), "{n}");
    }
    for server in &servers {
        let keys: u32 = server.cli(&["DBSIZE"]).await.trim().parse().unwrap();
        assert!((1..50).contains(&keys), "{keys} of 50");
    }
}

#[tokio::test]
async fn sentinels_tell_where_the_master_is() {
    let Some(master) = RedisServer::start().await else { return };
    let monitor = format!("sentinel monitor mymaster 127.0.0.1 {} 1\n", master.port());
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("sentinel.conf");
    std::fs::write(&conf, monitor).unwrap();
    let port = RedisServer::free_port();
    let process = tokio::process::Command::new("redis-server")
        .arg(&conf)
        .args(["--sentinel", "--port", &port.to_string(), "--bind", "127.0.0.1"])
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let _sentinel = process.unwrap();
    let json = format!(
        r#"{{"redis":"redis://127.0.0.1:{port}","sentinel":{{"master":"mymaster"}},"timeout":"10s"}}"#
    );
    let store = connected(&json).await;
    let quota = quota("1r/s", 0);
    assert!(store.visit(&[account("a", 1, &quota)], Charge::IfAllowed).await.is_some());
    assert_eq!(master.cli(&["DBSIZE"]).await.trim(), "1");
}

#[test]
fn what_does_not_fit_together_is_told_without_the_address() {
    let rows = [
        (r#"{"redis":"http://:hunter2@a"}"#, "not of the form"),
        (r#"{"redis":["redis://:hunter2@a","redis://:hunter2@b"]}"#, "say which"),
        (r#"{"redis":"redis://a","cluster":true,"sentinel":{"master":"m"}}"#, "exclude each other"),
        (r#"{"redis":"rediss://a","ca":"/nowhere.pem"}"#, "/nowhere.pem"),
    ];
    for (json, part) in rows {
        let error = Redis::new(&settings(json), &Metrics::new().unwrap()).map(drop).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("hunter2"), "{json}: {error}");
    }
}
