//! The script against a record, and seats against everything by which they could be left behind.

use std::net::{IpAddr, Ipv4Addr};

use headwall_core::Metrics;
use headwall_limit::{FakeClock, Millis};
use headwall_testkit::{RedisServer, eventually};

use super::super::record::Record;
use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// What a Headwall has that counts in this Redis.
async fn shared_by(server: &RedisServer, timeout: &str) -> Arc<Shared> {
    let json = format!(r#"{{"redis":"{}","timeout":"{timeout}"}}"#, server.url());
    let settings = serde_json::from_str(&json).unwrap();
    let redis = Arc::new(Redis::new(&settings, &PURPOSE, SCRIPT, &Metrics::new().unwrap()).unwrap());
    redis.clone().warm_up().await;
    eventually(20, async || redis.is_up().then_some(())).await;
    let counter = |name: &str| IntCounter::new(name, "Things.").unwrap();
    let local = Arc::new(Local::with_clock(100, &counter("evicted"), FakeClock::new()));
    Arc::new(Shared::new(redis, local, "headwall", "app/login", counter("fallbacks")))
}

fn rule(failures: usize, again: usize, distinct: bool) -> Rule {
    Rule { failures, again, distinct, window: 10 * HOUR, lockout: HOUR, longest: 8 * HOUR }
}

fn rules(failures: usize) -> Rules {
    let rule = rule(failures, failures, false);
    Rules { address: rule.clone(), account: rule.clone(), network: rule, known_for: HOUR }
}

fn key(n: u32) -> Key {
    Key::address(IpAddr::V4(Ipv4Addr::from_bits(n)))
}

impl Shared {
    /// A question at a moment of the test's.
    async fn at(self: &Arc<Self>, now: u64, seat: Seat, rule: &Rule, what: &str, by: Key) -> (i64, Duration) {
        let numbers = self.redis.ask(&self.call(seat, rule, what, by, Some(now))).await.unwrap();
        (numbers[0], Duration::from_millis(numbers[1].unsigned_abs()))
    }
}

#[tokio::test]
async fn the_script_and_a_record_agree_step_by_step() {
    let Some(server) = RedisServer::start().await else { return };
    let shared = shared_by(&server, "10s").await;
    // A small generator of one's own: the same walk each time, so that a failure can be looked at.
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut seen = [0; 4];
    for round in 0..24 {
        let failures = 1 + usize::try_from(random(5)).unwrap();
        let again = 1 + usize::try_from(random(failures as u64)).unwrap();
        let rule = rule(failures, again, round % 2 == 0);
        let mut record = Record::default();
        let mut now = 1_000_000_000_000;
        // Attempts under way, until when their seats are kept, and whether the record has been told that they were not.
        let mut open: Vec<(Seat, u64, bool)> = Vec::new();
        for step in 0..150 {
            // Minutes at least, so that no key expires by Redis's own clock meanwhile.
            now += match random(10) {
                0..5 => 0,
                5..9 => 60_000 * random(60),
                _ => 60_000 * random(1_500),
            };
            let at = Millis::new(now);
            for (_, until, gone) in &mut open {
                if *until <= now && !std::mem::replace(gone, true) {
                    record.settle(&rule, at, Settlement::Withdrawn);
                }
            }
            let place = format!("round {round}, step {step}, {rule:?}, {record:?}");
            if open.is_empty() || random(2) == 0 {
                let taken = Taken::InRedis(shared.tickets.next());
                let seat = Seat { kind: Kind::Address, key: key(round), taken };
                let expected = match record.admit(&rule, at) {
                    Ok(()) => {
                        open.push((seat, now + millis(SEAT), false));
                        (0, Duration::ZERO)
                    }
                    Err(Refusal::Busy) => (1, Duration::ZERO),
                    Err(Refusal::Locked(wait)) => (2, wait),
                };
                assert_eq!(shared.at(now, seat, &rule, "admit", seat.key).await, expected, "{place}");
                seen[usize::try_from(expected.0).unwrap()] += 1;
                continue;
            }
            let (seat, _, gone) = open.swap_remove(usize::try_from(random(open.len() as u64)).unwrap());
            let by = key(1_000 + u32::try_from(random(3)).unwrap());
            let (word, settlement) = match random(8) {
                0 => ("withdrawn", Settlement::Withdrawn),
                1 => ("succeeded", Settlement::Succeeded { by }),
                _ => ("failed", Settlement::Failed { by }),
            };
            let lockout =
                if gone { record.note(&rule, at, settlement) } else { record.settle(&rule, at, settlement) };
            let expected = lockout.map_or((0, Duration::ZERO), |length| (1, length));
            assert_eq!(shared.at(now, seat, &rule, word, by).await, expected, "{place}: {word}");
            seen[3] += expected.0;
        }
    }
    assert!(seen.iter().all(|times| *times > 50), "admitted, busy, locked and lockouts: {seen:?}");
}

#[tokio::test]
async fn what_no_longer_matters_leaves_redis() {
    let Some(server) = RedisServer::start().await else { return };
    let shared = shared_by(&server, "10s").await;
    let rules = rules(3);
    let attempt = async |settlement| {
        let taken = shared.admit(&rules, Kind::Address, key(1)).await.unwrap();
        assert!(matches!(taken, Taken::InRedis(_)));
        let seat = Seat { kind: Kind::Address, key: key(1), taken };
        shared.settle(&rules, &seat, settlement).await.unwrap()
    };
    let kept = async || server.cli(&["KEYS", "*"]).await.trim().to_owned();
    let left = async |name: &str| server.cli(&["PTTL", name]).await.trim().parse::<u64>().unwrap();
    attempt(Settlement::Withdrawn).await;
    assert_eq!(kept().await, "", "nothing has happened");
    attempt(Settlement::Failed { by: key(2) }).await;
    let name = format!("headwall:login:app/login:address:{:032x}", key(1).to_bits());
    assert_eq!(kept().await, name);
    let hours = left(&name).await as f64 / 3_600_000.0;
    assert!((9.9..=10.0).contains(&hours), "a failure counts for the window: {hours}");
    attempt(Settlement::Succeeded { by: key(2) }).await;
    assert_eq!(kept().await, "", "it was taken back");
    for lockout in [None, None, Some(HOUR)] {
        assert_eq!(attempt(Settlement::Failed { by: key(2) }).await, lockout);
    }
    let hours = left(&name).await as f64 / 3_600_000.0;
    assert!((10.9..=11.0).contains(&hours), "an hour locked, and remembered for the window: {hours}");
    assert!(matches!(shared.admit(&rules, Kind::Address, key(1)).await, Err(Refusal::Locked(_))));
    shared.let_in(&rules, key(3)).await;
    let known = format!("headwall:login:app/login:known:{:032x}", key(3).to_bits());
    assert!((3_500_000..=3_600_000).contains(&left(&known).await));
}

#[tokio::test]
async fn a_seat_whose_headwall_has_died_is_given_up() {
    let Some(server) = RedisServer::start().await else { return };
    let shared = shared_by(&server, "10s").await;
    let rule = rule(1, 1, false);
    let seat = || Seat { kind: Kind::Address, key: key(1), taken: Taken::InRedis(shared.tickets.next()) };
    let start = 1_000_000_000_000;
    let code = async |at, seat| shared.at(at, seat, &rule, "admit", seat.key).await.0;
    assert_eq!(code(start, seat()).await, 0);
    assert_eq!(code(start + millis(SEAT) - 1, seat()).await, 1, "its answer may still come");
    assert_eq!(code(start + millis(SEAT), seat()).await, 0);
    // Redis forgets it even if nobody asks again.
    let keys = server.cli(&["KEYS", "*"]).await;
    let left: u64 = server.cli(&["PTTL", keys.trim()]).await.trim().parse().unwrap();
    assert!((60_000..=120_000).contains(&left), "{left}");
}

#[tokio::test]
async fn an_admission_that_comes_too_late_is_given_back() {
    let Some(server) = RedisServer::start().await else { return };
    let shared = shared_by(&server, "200ms").await;
    let rules = rules(1);
    server.freeze().await;
    let taken = shared.admit(&rules, Kind::Address, key(1)).await;
    assert!(matches!(taken, Ok(Taken::Here)), "it was decided here: {taken:?}");
    assert_eq!(shared.fallbacks.get(), 1);
    server.thaw().await;
    let again = async || match shared.admit(&rules, Kind::Address, key(1)).await {
        Ok(Taken::InRedis(_)) => Some(()),
        Ok(Taken::Here) | Err(_) => None,
    };
    eventually(20, again).await;
}

#[tokio::test]
async fn a_client_that_leaves_while_redis_is_asked_leaves_no_seat_behind() {
    let Some(server) = RedisServer::start().await else { return };
    let (shared, other) = (shared_by(&server, "10s").await, shared_by(&server, "10s").await);
    let rules = rules(1);
    server.freeze().await;
    // Long enough for the question to be on its way.
    let asked = tokio::time::timeout(Duration::from_millis(100), shared.admit(&rules, Kind::Address, key(1)));
    assert!(asked.await.is_err(), "nobody has answered, and nobody waits any more");
    server.thaw().await;
    let ask = async || other.admit(&rules, Kind::Address, key(1)).await.ok();
    assert!(matches!(eventually(20, ask).await, Taken::InRedis(_)));
}

#[tokio::test]
async fn without_redis_the_tables_here_go_on_where_they_had_been() {
    let Some(mut server) = RedisServer::start().await else { return };
    let store = super::super::store::Store::Shared(shared_by(&server, "10s").await);
    let super::super::store::Store::Shared(shared) = &store else { return };
    let rules = rules(3);
    let fail = async || {
        let seat = store.admit(&rules, Kind::Address, key(1)).await?;
        let settlement = Settlement::Failed { by: key(2) };
        let here = store.settle(&rules, &seat, settlement);
        Ok(shared.settle(&rules, &seat, settlement).await.unwrap_or(here))
    };
    store.local().let_in(&rules, key(7));
    shared.let_in(&rules, key(8)).await;
    assert_eq!(fail().await, Ok(None));
    assert_eq!(fail().await, Ok(None));
    assert!(store.knows(key(7)).await && store.knows(key(8)).await);
    server.kill().await;
    assert_eq!(fail().await, Ok(Some(HOUR)), "the third, of which two were seen by Redis");
    assert_eq!(fail().await, Err(Refusal::Locked(HOUR)));
    assert!(store.knows(key(7)).await, "who was let in here is known here");
    assert!(!store.knows(key(8)).await);
    assert!(shared.fallbacks.get() >= 3, "{}", shared.fallbacks.get());
}

#[tokio::test]
async fn what_is_settled_in_the_background_is_bounded() {
    let Some(server) = RedisServer::start().await else { return };
    let shared = shared_by(&server, "10s").await;
    let rooms: Vec<_> = std::iter::from_fn(|| shared.background()).take(BACKGROUND + 1).collect();
    assert_eq!(
        (rooms.len(), shared.fallbacks.get()),
        (BACKGROUND, 1),
        "the next one is counted and not done"
    );
    drop(rooms);
    assert!(shared.background().is_some());
}
