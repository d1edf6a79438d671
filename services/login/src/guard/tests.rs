//! Attackers and innocents against a whole guard, on a clock that the test holds.

use std::collections::HashMap;

use futures_util::FutureExt as _;
use headwall_core::Metrics;
use headwall_core::module::Shared;
use headwall_limit::{FakeClock, Key};

use super::attempt::Attempt;
use super::record::Refusal;
use super::store::Kind;
use super::watch::Answer;
use super::*;

/// A guard, its clock and its numbers.
struct Scene {
    watch: Arc<Watch>,
    clock: FakeClock,
    metrics: Metrics,
}

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    Busy(Kind),
    /// For so many seconds.
    Locked(Kind, u64),
}

use Outcome::{Answered, Busy, Locked};

fn settings(json: &str) -> LoginGuard {
    let settings: LoginGuard = serde_json::from_str(json).unwrap();
    settings.validate().unwrap();
    settings
}

fn scene(json: &str) -> Scene {
    let settings = settings(json);
    let (clock, metrics) = (FakeClock::new(), Metrics::new().unwrap());
    let (upstreams, shared, mut warm_up) = (HashMap::new(), Shared::default(), Vec::new());
    let build = Build::new("login_guard", "app/login", &upstreams, &metrics, &shared, &mut warm_up);
    let report = Report::new(&build, settings.dry_run).unwrap();
    let local = Local::with_clock(settings.max_keys, &report.evicted, clock.clone());
    let watch = Watch {
        store: Store::Local(Arc::new(local)),
        rules: settings.rules(),
        report,
        names: Arc::new(Names::own()),
        account: settings.account.clone(),
        failed: vec![StatusCode::UNAUTHORIZED],
        allow: Vec::new(),
        dry_run: settings.dry_run,
    };
    Scene { watch: Arc::new(watch), clock, metrics }
}

impl Scene {
    fn enter(&self, client: &str, account: &str) -> Result<Attempt, Outcome> {
        let outcome = |kind, refusal| match refusal {
            Refusal::Busy => Busy(kind),
            Refusal::Locked(wait) => Locked(kind, wait.as_secs()),
        };
        // The tables here answer at once.
        let admit = async {
            let client = client.parse().unwrap();
            let Watch { store, rules, .. } = &*self.watch;
            let seat = store.admit(rules, Kind::Address, Key::address(client)).await;
            let attempt =
                Attempt::begin(&self.watch, client, seat.map_err(|refusal| (Kind::Address, refusal))?);
            if self.watch.account.is_some() {
                attempt.concerns(account).await.inspect_err(|_| attempt.give_up())?;
            }
            Ok(attempt)
        };
        admit.now_or_never().unwrap().map_err(|(kind, refusal)| outcome(kind, refusal))
    }

    fn attempt(&self, client: &str, account: &str, answer: Answer) -> Outcome {
        match self.enter(client, account) {
            Ok(attempt) => {
                attempt.end(answer);
                Answered
            }
            Err(outcome) => outcome,
        }
    }

    fn fail(&self, client: &str, account: &str) -> Outcome {
        self.attempt(client, account, Answer::Failed)
    }

    fn succeed(&self, client: &str, account: &str) -> Outcome {
        self.attempt(client, account, Answer::Succeeded)
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(std::time::Duration::from_secs(seconds));
    }

    fn shows(&self, line: &str) {
        let text = self.metrics.render().unwrap();
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

const BY_ACCOUNT: &str = r#"{"account":{"json":"email"}}"#;

/// An address of a network of its own.
fn elsewhere(n: u32) -> String {
    format!("198.{}.{}.1", n / 250, n % 250)
}

#[test]
fn one_address_that_guesses_is_locked_out_and_nobody_else() {
    let scene = scene("{}");
    for _ in 0..5 {
        assert_eq!(scene.fail("192.0.2.1", ""), Answered);
    }
    assert_eq!(scene.succeed("192.0.2.1", ""), Locked(Kind::Address, 60), "the right password does not help");
    assert_eq!(scene.succeed("192.0.2.2", ""), Answered);
    scene.wait(60);
    for _ in 0..5 {
        assert_eq!(scene.fail("192.0.2.1", ""), Answered);
    }
    assert_eq!(scene.fail("192.0.2.1", ""), Locked(Kind::Address, 120));
    scene.shows(r#"headwall_login_guard_lockouts_total{kind="address",place="app/login"} 2"#);
    scene.shows(r#"headwall_login_guard_attempts_total{outcome="failed",place="app/login"} 10"#);
}

#[test]
fn who_mistypes_and_then_gets_in_begins_anew() {
    for json in ["{}", BY_ACCOUNT] {
        let scene = scene(json);
        for round in 0..20 {
            for _ in 0..4 {
                assert_eq!(scene.fail("192.0.2.1", "ada"), Answered, "{json} {round}");
            }
            assert_eq!(scene.succeed("192.0.2.1", "ada"), Answered, "{json} {round}");
        }
    }
}

#[test]
fn an_account_of_ones_own_does_not_help_to_guess_at_anothers() {
    let scene = scene(BY_ACCOUNT);
    for _ in 0..4 {
        scene.fail("192.0.2.1", "victim");
        assert_eq!(scene.succeed("192.0.2.1", "mallory"), Answered);
    }
    scene.fail("192.0.2.1", "victim");
    assert_eq!(scene.succeed("192.0.2.1", "mallory"), Locked(Kind::Address, 60));
}

#[test]
fn many_addresses_that_guess_at_one_account_are_locked_out_of_it() {
    let scene = scene(BY_ACCOUNT);
    for n in 0..10 {
        assert_eq!(scene.fail(&elsewhere(n), "victim"), Answered, "{n}");
    }
    assert_eq!(scene.fail(&elsewhere(10), "victim"), Locked(Kind::Account, 60));
    assert_eq!(scene.fail(&elsewhere(10), "another"), Answered, "the address itself has done nothing");
    // After the first lockout one failure is enough for the next.
    for (n, wait, length) in [(20, 60, 120), (21, 120, 240), (22, 240, 480), (23, 480, 900), (24, 900, 900)] {
        scene.wait(wait);
        assert_eq!(scene.fail(&elsewhere(n), "victim"), Answered, "{n}");
        assert_eq!(scene.fail(&elsewhere(n + 10), "victim"), Locked(Kind::Account, length), "{n}");
    }
}

#[test]
fn where_an_account_is_at_home_nobody_locks_it_out() {
    let scene = scene(BY_ACCOUNT);
    scene.succeed("192.0.2.1", "victim");
    let mut locked = 0;
    for n in 0..2_000 {
        locked += u32::from(scene.fail(&elsewhere(n), "victim") != Answered);
        if n % 10 == 0 {
            assert_eq!(scene.fail("192.0.2.1", "victim"), Answered, "a slip at home");
            assert_eq!(scene.succeed("192.0.2.1", "victim"), Answered, "{n}: and then not");
        }
        scene.wait(60);
    }
    assert!(locked > 1_700, "{locked} of 2000 guesses were refused");
    // Elsewhere it has to wait, a neighbour's home included.
    scene.succeed("192.0.2.99", "neighbour");
    assert!(matches!(scene.succeed("192.0.2.99", "victim"), Locked(Kind::Account, _)));
}

#[test]
fn to_be_known_does_not_mean_to_guess_freely() {
    let scene = scene(BY_ACCOUNT);
    scene.succeed("192.0.2.1", "victim");
    for _ in 0..5 {
        assert_eq!(scene.fail("192.0.2.1", "victim"), Answered);
    }
    assert_eq!(scene.fail("192.0.2.1", "victim"), Locked(Kind::Address, 60));
}

#[test]
fn what_is_known_is_forgotten_in_the_end() {
    let scene = scene(r#"{"account":{"json":"email"},"known_for":"1h"}"#);
    scene.succeed("192.0.2.1", "ada");
    let lock = || (0..30).filter(|n| scene.fail(&elsewhere(*n), "ada") == Answered).count();
    assert_eq!(lock(), 10);
    assert_eq!(scene.succeed("192.0.2.1", "ada"), Answered);
    scene.wait(3_600);
    assert_eq!(lock(), 10);
    assert!(matches!(scene.succeed("192.0.2.1", "ada"), Locked(Kind::Account, _)));
}

#[test]
fn a_network_that_tries_many_accounts_is_locked_out_but_for_those_at_home_there() {
    let scene = scene(r#"{"account":{"json":"email"},"spread":{"accounts":6}}"#);
    scene.succeed("203.0.113.200", "resident");
    for n in 0..6 {
        assert_eq!(scene.fail(&format!("203.0.113.{n}"), &format!("account{n}")), Answered, "{n}");
    }
    assert_eq!(scene.fail("203.0.113.77", "account77"), Locked(Kind::Network, 60));
    assert_eq!(scene.succeed("203.0.113.200", "resident"), Answered);
    assert_eq!(scene.fail("203.0.114.77", "account77"), Answered, "the next network");
    scene.shows(r#"headwall_login_guard_lockouts_total{kind="network",place="app/login"} 1"#);
}

#[test]
fn a_network_where_few_people_mistype_often_is_not_locked_out() {
    let scene = scene(r#"{"account":{"json":"email"},"spread":{"accounts":6}}"#);
    for n in 0..60 {
        let who = format!("resident{}", n % 5);
        assert_eq!(scene.fail(&format!("203.0.113.{n}"), &who), Answered, "{n}");
        scene.wait(61);
    }
}

#[test]
fn attempts_at_once_get_no_further_than_attempts_in_a_row() {
    let scene = scene(BY_ACCOUNT);
    let one: Vec<_> = (0..1_000).filter_map(|n| scene.enter("192.0.2.1", &n.to_string()).ok()).collect();
    assert_eq!(one.len(), 5, "from one address");
    let many: Vec<_> = (0..1_000).filter_map(|n| scene.enter(&elsewhere(n), "victim").ok()).collect();
    assert_eq!(many.len(), 10, "at one account");
    let network: Vec<_> = (0..1_000)
        .filter_map(|n| scene.enter(&format!("203.0.113.{}", n % 250), &n.to_string()).ok())
        .collect();
    assert_eq!(network.len(), 20, "from one network");
    assert_eq!(scene.enter("192.0.2.1", "x").err(), Some(Busy(Kind::Address)));
    drop((one, many, network));
    assert!(scene.enter("192.0.2.1", "x").is_ok(), "who leaves gives the place back");
    scene.shows(r#"headwall_login_guard_attempts_total{outcome="undecided",place="app/login"} 36"#);
}

#[test]
fn threads_do_not_race_past_the_limit() {
    let scene = scene(BY_ACCOUNT);
    let answered = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let (scene, answered) = (&scene, &answered);
            threads.spawn(move || {
                for n in 0..500 {
                    if scene.fail(&elsewhere(thread * 500 + n), "victim") == Answered {
                        answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(answered.into_inner(), 10);
}

#[test]
fn answers_that_say_nothing_count_for_nothing() {
    let scene = scene(BY_ACCOUNT);
    for _ in 0..100 {
        assert_eq!(scene.attempt("192.0.2.1", "ada", Answer::Undecided), Answered);
    }
    for _ in 0..4 {
        scene.fail("192.0.2.1", "ada");
    }
    scene.attempt("192.0.2.1", "ada", Answer::Undecided);
    scene.fail("192.0.2.1", "ada");
    assert_eq!(scene.fail("192.0.2.1", "ada"), Locked(Kind::Address, 60), "nor do they forgive anything");
}

#[test]
fn attempts_that_name_nobody_are_one_account_that_nobody_is_at_home_at() {
    let scene = scene(BY_ACCOUNT);
    scene.succeed("192.0.2.1", "");
    for n in 0..10 {
        assert_eq!(scene.fail(&elsewhere(n), ""), Answered, "{n}");
    }
    assert_eq!(scene.succeed("192.0.2.1", ""), Locked(Kind::Account, 60));
    assert_eq!(scene.succeed("192.0.2.1", "ada"), Answered);
}

#[test]
fn an_ipv6_customer_is_one_address() {
    let scene = scene("{}");
    for n in 0..5 {
        assert_eq!(scene.fail(&format!("2001:db8::{n}"), ""), Answered);
    }
    assert_eq!(scene.fail("2001:db8::ffff:1", ""), Locked(Kind::Address, 60));
    assert_eq!(scene.fail("2001:db8:0:1::1", ""), Answered);
}

#[test]
fn a_flood_of_addresses_does_not_free_who_is_locked_out() {
    let scene = scene(r#"{"max_keys":1000,"max_lockout":"24h","lockout":"6h"}"#);
    for _ in 0..5 {
        scene.fail("192.0.2.1", "");
    }
    for n in 0..20_000 {
        scene.fail(&elsewhere(n), "");
    }
    assert_eq!(scene.fail("192.0.2.1", ""), Locked(Kind::Address, 21_600));
    let text = scene.metrics.render().unwrap();
    let (_, evictions) =
        text.split_once("headwall_login_guard_evictions_total{place=\"app/login\"} ").unwrap();
    let evictions: u32 = evictions.lines().next().unwrap().parse().unwrap();
    assert!(evictions >= 19_000, "{evictions}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let rows = [
        (r#"{"failures":0}"#, "failures"),
        (r#"{"window":"0s"}"#, "window"),
        (r#"{"lockout":"0s"}"#, "lockout"),
        (r#"{"failed_status":[]}"#, "failed_status"),
        (r#"{"failed_status":[99]}"#, "failed_status[0]"),
        (r#"{"account":{"json":""}}"#, "account"),
        (r#"{"account":{"json":"user..name"}}"#, "account"),
        (r#"{"account_failures":3}"#, "account_failures"),
        (r#"{"spread":{"accounts":3}}"#, "spread"),
        (r#"{"account":{"form":"user"},"spread":{"accounts":1}}"#, "spread.accounts"),
        (r#"{"max_keys":0}"#, "max_keys"),
        (r#"{"store":"redis://a"}"#, "key"),
        (r#"{"store":"redis://a","key":"0123456789abcdef"}"#, "key"),
        (r#"{"key":"0123456789abcdef0123456789abcdef"}"#, "key"),
        (
            r#"{"store":{"redis":"redis://a","fallback":"refuse"},"key":"0123456789abcdef0123456789abcdef"}"#,
            "store.fallback",
        ),
    ];
    for (json, place) in rows {
        let settings: LoginGuard = serde_json::from_str(json).unwrap();
        let report = settings.validate().unwrap_err();
        let places: Vec<_> = report.iter().map(|(path, _)| path.to_string()).collect();
        assert!(places.iter().any(|found| found.starts_with(place)), "{json}: {places:?}");
    }
    assert!(serde_json::from_str::<LoginGuard>(r#"{"fails":3}"#).is_err());
}

#[test]
fn the_rules_are_those_that_were_written() {
    let seconds = std::time::Duration::from_secs;
    let rules = settings(BY_ACCOUNT).rules();
    assert_eq!((rules.address.failures, rules.account.failures, rules.network.failures), (5, 10, 20));
    assert_eq!((rules.address.again, rules.account.again, rules.network.again), (5, 1, 20));
    assert_eq!((rules.address.longest, rules.account.longest), (seconds(86_400), seconds(900)));
    assert!(rules.network.distinct && !rules.account.distinct && !rules.address.distinct);
    let long = settings(r#"{"lockout":"48h"}"#).rules();
    assert_eq!((long.address.longest, long.account.longest), (seconds(172_800), seconds(172_800)));
}
