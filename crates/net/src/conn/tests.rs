//! The stream between a pipe in memory and a clock that stands still.

use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use headwall_core::Metrics;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use super::*;
use crate::Connections;

/// A pipe in memory that passes for a socket.
struct Pipe(DuplexStream);

impl AsRawFd for Pipe {
    fn as_raw_fd(&self) -> RawFd {
        -1
    }
}

impl Readable for Pipe {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Says the reason and nothing else.
#[derive(Debug)]
struct Curt;

impl Refusals for Curt {
    fn answer(&self, refused: &Refused<'_>) -> Vec<u8> {
        format!("HTTP/1.1 {} {} {}", refused.refusal.status().as_u16(), refused.refusal, refused.head.len())
            .into_bytes()
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn conn() -> (DuplexStream, Conn<Pipe>, Metrics) {
    conn_through(64 * 1024)
}

fn conn_through(pipe: usize) -> (DuplexStream, Conn<Pipe>, Metrics) {
    let (client, server) = duplex(pipe);
    let metrics = Metrics::new().unwrap();
    let permit = Connections::new(metrics.connections()).admit(1).unwrap();
    let conn = Conn::new(
        Pipe(server),
        Connection::new("192.0.2.1:4711".parse().unwrap()),
        Limits::default(),
        Arc::new(Curt),
        permit,
    );
    (client, conn, metrics)
}

async fn read(conn: &mut Conn<Pipe>) -> (io::Result<usize>, Duration) {
    let since = tokio::time::Instant::now();
    let result = conn.read(&mut [0; 1024]).await;
    (result, since.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_that_says_nothing_is_closed_after_the_header_timeout() {
    let (_client, mut conn, _) = conn();
    let (result, waited) = read(&mut conn).await;
    assert_eq!((result.unwrap(), waited.as_secs()), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_is_cut_at_its_deadline_and_told_so() {
    let (mut client, mut conn, metrics) = conn();
    let since = tokio::time::Instant::now();
    let trickle = tokio::spawn(async move {
        let mut answer = Vec::with_capacity(1024);
        client.write_all(b"GET ").await.unwrap();
        while client.write_all(b"x").await.is_ok() {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                read = client.read_buf(&mut answer) => { read.unwrap(); break }
            }
        }
        answer
    });
    assert_eq!(read(&mut conn).await.0.unwrap(), 0, "the reader has seen nothing of it");
    let elapsed = since.elapsed().as_secs();
    assert!((10..=12).contains(&elapsed), "for the whole head, not for each byte: {elapsed} s");
    assert_eq!(metrics.connections().header_timeouts.get(), 1);
    let answer = String::from_utf8(trickle.await.unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 header_timeout "), "{answer}");
    assert_eq!(metrics.connections().requests_refused.with_label_values(&["header_timeout"]).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn between_requests_the_keepalive_timeout_counts() {
    let (mut client, mut conn, _) = conn();
    client.write_all(GET).await.unwrap();
    assert_eq!(read(&mut conn).await.0.unwrap(), GET.len());
    conn.connection.enter(Phase::Exchange);
    let busy = tokio::time::timeout(Duration::from_secs(500), read(&mut conn)).await;
    assert!(busy.is_err(), "an exchange without a deadline is not cut");
    conn.connection.enter(Phase::Idle);
    let (result, waited) = read(&mut conn).await;
    assert_eq!((result.unwrap(), waited.as_secs()), (0, 75));
}

#[tokio::test(start_paused = true)]
async fn the_keepalive_timeout_counts_from_the_last_request_even_when_none_was_waited_for() {
    let (mut client, mut conn, _) = conn();
    for _ in 0..20 {
        client.write_all(GET).await.unwrap();
        assert_eq!(read(&mut conn).await.0.unwrap(), GET.len());
        conn.connection.enter(Phase::Exchange);
        conn.connection.enter(Phase::Idle);
        let idle = tokio::time::timeout(Duration::from_secs(60), read(&mut conn)).await;
        assert!(idle.is_err(), "the next request comes after a minute, and may");
    }
    let (result, waited) = read(&mut conn).await;
    assert_eq!((result.unwrap(), waited.as_secs()), (0, 15));
}

#[tokio::test]
async fn small_writes_are_one_and_large_ones_pass_through() {
    let (mut client, mut conn, _) = conn();
    conn.write_all(b"head ").await.unwrap();
    conn.write_all(b"body").await.unwrap();
    assert_eq!(conn.out.collected, b"head body", "nothing is sent before the flush");
    conn.flush().await.unwrap();
    let mut got = vec![0; 9];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(got, b"head body");

    conn.write_all(b"head ").await.unwrap();
    conn.write_all(&[b'x'; COLLECT]).await.unwrap();
    let mut got = vec![0; 5 + COLLECT];
    client.read_exact(&mut got).await.unwrap();
    assert!(got.starts_with(b"head x"), "order is kept");
}

#[tokio::test]
async fn a_tunnel_keeps_no_buffer() {
    let (mut client, mut conn, _) = conn();
    conn.write_all(b"101 ").await.unwrap();
    conn.connection.enter(Phase::Tunnel);
    conn.write_all(b"frame").await.unwrap();
    assert_eq!(conn.out.collected.capacity(), 0);
    let mut got = vec![0; 9];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(got, b"101 frame");
}

#[tokio::test]
async fn a_head_is_held_back_until_it_is_complete() {
    let (mut client, mut conn, _) = conn();
    let (begin, end) = GET.split_at(9);
    client.write_all(begin).await.unwrap();
    let mut buf = [0; 1024];
    assert!(at_once(conn.read(&mut buf)).await.is_none(), "half a head is nothing");
    assert_eq!(conn.connection.phase(), Phase::Head);
    client.write_all(end).await.unwrap();
    let read = conn.read(&mut buf).await.unwrap();
    assert_eq!(&buf[..read], GET);
}

#[tokio::test]
async fn what_follows_a_request_waits_for_its_turn() {
    let (mut client, mut conn, _) = conn();
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    client.write_all(&[post, GET, GET].concat()).await.unwrap();
    let mut buf = [0; 1024];
    for expected in [&post[..], GET, GET] {
        let read = conn.read(&mut buf).await.unwrap();
        assert_eq!(&buf[..read], expected);
        conn.connection.enter(Phase::Exchange);
        assert!(at_once(conn.read(&mut buf)).await.is_none(), "the running request is all there is");
        conn.connection.enter(Phase::Idle);
    }
    assert!(at_once(conn.read(&mut buf)).await.is_none(), "there is no fourth");
    client.write_all(GET).await.unwrap();
    assert_eq!(conn.read(&mut buf).await.unwrap(), GET.len(), "the next one comes as if nothing had been");
}

#[tokio::test]
async fn what_a_client_sends_ahead_is_bounded() {
    let (mut client, mut conn, _) = conn_through(1 << 20);
    client.write_all(&GET.repeat(10_000)).await.unwrap();
    let mut buf = [0; 1024];
    assert_eq!(conn.read(&mut buf).await.unwrap(), GET.len());
    conn.connection.enter(Phase::Exchange);
    assert!(at_once(conn.read(&mut buf)).await.is_none());
    let held = conn.inbound.as_ref().map_or(0, |inbound| inbound.head().len());
    assert!(held <= 40 * 1024, "{held} bytes are held");
}

#[tokio::test(start_paused = true)]
async fn a_refused_head_is_answered_and_nothing_of_it_is_read() {
    for piece in [1, 5, 1000] {
        let (mut client, mut conn, metrics) = conn();
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\nhello";
        let talk = tokio::spawn(async move {
            for piece in head.chunks(piece) {
                if client.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            AsyncWriteExt::shutdown(&mut client).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        });
        assert_eq!(read(&mut conn).await.0.unwrap(), 0, "{piece}");
        let answer = talk.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 invalid_length "), "{answer}");
        assert_eq!(metrics.connections().requests_refused.with_label_values(&["invalid_length"]).get(), 1);
    }
}

#[tokio::test]
async fn a_body_that_is_malformed_is_broken_off() {
    for piece in [1, 7, 1000] {
        let (mut client, mut conn, _) = conn();
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x5\r\n";
        let talk = tokio::spawn(async move {
            for piece in head.chunks(piece) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client
        });
        let mut got = Vec::new();
        let error = loop {
            let mut buf = [0; 1024];
            match conn.read(&mut buf).await {
                Ok(read) => got.extend_from_slice(&buf[..read]),
                Err(error) => break error,
            }
            conn.connection.enter(Phase::Exchange);
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{piece}");
        assert!(!String::from_utf8_lossy(&got).contains("0x5"), "{piece}: what is malformed is not read");
        drop(talk.await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_given_up() {
    let (mut client, mut conn, _) = conn();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
    read(&mut conn).await.0.unwrap();
    conn.connection.enter(Phase::Exchange);
    let since = tokio::time::Instant::now();
    let trickle = tokio::spawn(async move {
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let error = loop {
        if let Err(error) = read(&mut conn).await.0 {
            break error;
        }
    };
    assert_eq!((error.kind(), since.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
    drop(conn);
    trickle.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (client, mut conn, _) = conn_through(1024);
    let since = tokio::time::Instant::now();
    let error = conn.write_all(&[b'x'; 64 * 1024]).await.unwrap_err();
    assert_eq!((error.kind(), since.elapsed().as_secs()), (io::ErrorKind::TimedOut, 60));
    drop(client);
}

#[tokio::test]
async fn a_tunnel_gets_what_was_sent_ahead() {
    let (mut client, mut conn, _) = conn();
    client.write_all(&[GET, b"frame"].concat()).await.unwrap();
    let mut buf = [0; 1024];
    assert_eq!(conn.read(&mut buf).await.unwrap(), GET.len());
    conn.connection.enter(Phase::Tunnel);
    let read = conn.read(&mut buf).await.unwrap();
    assert_eq!(&buf[..read], b"frame");
    client.write_all(b"another").await.unwrap();
    let read = conn.read(&mut buf).await.unwrap();
    assert_eq!(&buf[..read], b"another");
}

/// What a future gives at once, if anything.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::ZERO, future).await.ok()
}
