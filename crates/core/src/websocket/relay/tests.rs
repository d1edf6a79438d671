//! The relay between two pipes in memory.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const LIMITS: Limits = Limits { idle: Duration::from_secs(60), linger: Duration::from_secs(3) };

struct Tunnel {
    client: DuplexStream,
    origin: DuplexStream,
    stage: watch::Sender<Stage>,
    report: tokio::task::JoinHandle<Report>,
}

fn tunnel(buffer: usize, early: (&[u8], &[u8])) -> Tunnel {
    let (client, mut a) = duplex(buffer);
    let (origin, mut b) = duplex(buffer);
    let early = (early.0.to_vec(), early.1.to_vec());
    let stage = watch::Sender::new(Stage::Serving);
    let watched = stage.subscribe();
    let report = tokio::spawn(async move { relay(&mut a, &mut b, early, LIMITS, watched).await });
    Tunnel { client, origin, stage, report }
}

async fn read(stream: &mut DuplexStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn both_directions_flow_and_are_counted() {
    let mut t = tunnel(64, (b"", b""));
    t.client.write_all(b"ping").await.unwrap();
    assert_eq!(read(&mut t.origin, 4).await, b"ping");
    t.origin.write_all(b"pong!").await.unwrap();
    assert_eq!(read(&mut t.client, 5).await, b"pong!");
    t.client.shutdown().await.unwrap();
    t.origin.shutdown().await.unwrap();
    let report = t.report.await.unwrap();
    assert_eq!((report.received, report.sent, report.end), (4, 5, End::Closed));
}

#[tokio::test]
async fn what_was_sent_before_the_tunnel_comes_first() {
    let mut t = tunnel(64, (b"early ", b"hello "));
    t.client.write_all(b"late").await.unwrap();
    assert_eq!(read(&mut t.origin, 10).await, b"early late");
    t.origin.write_all(b"there").await.unwrap();
    assert_eq!(read(&mut t.client, 11).await, b"hello there");
}

#[tokio::test]
async fn a_half_close_lets_the_other_direction_finish() {
    let mut t = tunnel(16, (b"", b""));
    t.client.write_all(b"question").await.unwrap();
    t.client.shutdown().await.unwrap();
    let mut question = Vec::new();
    t.origin.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");

    let answer = vec![b'a'; 100_000];
    let mut got = Vec::new();
    let write = async {
        t.origin.write_all(&answer).await.unwrap();
        t.origin.shutdown().await.unwrap();
    };
    let ((), read) = tokio::join!(write, t.client.read_to_end(&mut got));
    read.unwrap();
    assert!(got == answer);
    assert_eq!(t.report.await.unwrap().end, End::Closed);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_tunnel_but_traffic_in_one_direction_keeps_it() {
    let mut t = tunnel(64, (b"", b""));
    for _ in 0..5 {
        tokio::time::advance(LIMITS.idle - Duration::from_secs(1)).await;
        t.origin.write_all(b"tick").await.unwrap();
        assert_eq!(read(&mut t.client, 4).await, b"tick");
    }
    let before = Instant::now();
    assert_eq!(t.report.await.unwrap().end, End::Idle);
    assert_eq!(before.elapsed().as_secs(), LIMITS.idle.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_side_that_does_not_follow_is_cut_after_the_linger_time() {
    let mut t = tunnel(64, (b"", b""));
    t.client.shutdown().await.unwrap();
    let before = Instant::now();
    assert_eq!(t.report.await.unwrap().end, End::Linger);
    assert_eq!(before.elapsed().as_secs(), LIMITS.linger.as_secs());
}

#[tokio::test]
async fn a_shutdown_cuts_open_tunnels() {
    let t = tunnel(64, (b"", b""));
    t.stage.send_replace(Stage::Draining);
    t.stage.send_replace(Stage::Closing);
    assert_eq!(t.report.await.unwrap().end, End::Shutdown);
}

#[tokio::test]
async fn random_traffic_arrives_unchanged_whatever_the_buffers() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let buffer = random.usize(1..200_000);
        let up: Vec<u8> = (0..random.usize(0..100_000)).map(|_| random.u8(..)).collect();
        let down: Vec<u8> = (0..random.usize(0..100_000)).map(|_| random.u8(..)).collect();
        let Tunnel { client, origin, report, stage: _stage } = tunnel(buffer, (b"", b""));
        let side = |stream: DuplexStream, data: Vec<u8>| async move {
            let (mut reader, mut writer) = tokio::io::split(stream);
            let mut got = Vec::new();
            let write = async {
                writer.write_all(&data).await.unwrap();
                writer.shutdown().await.unwrap();
            };
            let ((), read) = tokio::join!(write, reader.read_to_end(&mut got));
            read.unwrap();
            got
        };
        let (at_client, at_origin) = tokio::join!(side(client, up.clone()), side(origin, down.clone()));
        assert!(at_client == down && at_origin == up, "seed {seed}");
        let report = report.await.unwrap();
        assert_eq!((report.received, report.sent), (up.len() as u64, down.len() as u64), "seed {seed}");
    }
}
