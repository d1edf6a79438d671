//! A Redis that is killed, frozen, protected and guarded by sentinels.

use headwall_testkit::{Authority, RedisServer, eventually};

use super::*;

/// Counts, so that Redis shows whether it was asked.
const SCRIPT: &str = "return { redis.call('INCRBY', KEYS[1], ARGV[1]) }";

const PURPOSE: Purpose = Purpose {
    name: "test",
    up: "test_store_up",
    requests: "test_store_requests_total",
    seconds: "test_store_seconds",
};

/// The settings that this JSON says.
fn settings(json: &str) -> RedisStore {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn redis(json: &str) -> Result<Redis, BoxError> {
    Redis::new(&settings(json), &PURPOSE, SCRIPT, &Metrics::new().unwrap())
}

async fn connected(json: &str) -> Arc<Redis> {
    let store = Arc::new(redis(json).unwrap());
    store.clone().warm_up().await;
    is_up(&store).await;
    store
}

async fn is_up(store: &Arc<Redis>) {
    eventually(20, async || store.is_up().then_some(())).await;
}

/// A store that waits as long as a busy machine needs.
async fn patient(server: &RedisServer) -> Arc<Redis> {
    connected(&format!(r#"{{"redis":"{}","timeout":"10s"}}"#, server.url())).await
}

impl Redis {
    /// A question, and whether there was an answer.
    async fn answers(self: &Arc<Self>) -> Result<(), Missed> {
        let mut call = self.call();
        call.key("a").arg(1);
        self.ask(&call).await.map(drop)
    }
}

#[tokio::test]
async fn a_script_that_redis_has_forgotten_is_told_again() {
    let Some(server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    server.cli(&["SCRIPT", "FLUSH"]).await;
    assert!(store.answers().await.is_ok());
    assert_eq!(store.numbers.failed.get(), 0);
}

#[tokio::test]
async fn a_frozen_redis_costs_five_budgets_and_then_nothing() {
    let Some(server) = RedisServer::start().await else { return };
    let store = connected(&format!(r#"{{"redis":"{}","timeout":"50ms"}}"#, server.url())).await;
    server.freeze().await;
    let started = Instant::now();
    for _ in 0..100 {
        assert!(store.answers().await.is_err());
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "five times 50 ms, not a hundred times: {took:?}");
    assert_eq!((store.numbers.late.get(), store.numbers.up.get()), (5, 0));
    assert_eq!(store.numbers.skipped.get(), 95);
    server.thaw().await;
    is_up(&store).await;
    assert_eq!(store.numbers.up.get(), 1);
    let answers = async || store.answers().await.ok();
    eventually(10, answers).await;
}

#[tokio::test]
async fn a_killed_redis_is_found_again() {
    let Some(mut server) = RedisServer::start().await else { return };
    let store = patient(&server).await;
    server.kill().await;
    let gone = async || store.answers().await.is_err().then_some(());
    eventually(10, gone).await;
    assert_eq!(store.numbers.up.get(), 0);
    server.start_again().await;
    is_up(&store).await;
    assert!(store.answers().await.is_ok());
}

#[tokio::test]
async fn nobody_looks_for_a_redis_that_nobody_needs() {
    let dead = format!(r#"{{"redis":"redis://127.0.0.1:{}"}}"#, RedisServer::free_port());
    let store = Arc::new(redis(&dead).unwrap());
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
    let wrong = redis(&with("correct-horse")).unwrap();
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
    assert!(store.answers().await.is_ok());
    let distrusting = format!(r#"{{"redis":"rediss://localhost:{port}","timeout":"10s"}}"#);
    let store = redis(&distrusting).unwrap();
    assert!(store.connect().await.is_err(), "nobody vouches for that certificate");
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
    assert!(store.answers().await.is_ok());
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
        let error = redis(json).map(drop).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("hunter2"), "{json}: {error}");
    }
}
