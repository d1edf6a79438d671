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

fn conn() -> (DuplexStream, Conn<Pipe>, Metrics) {
    let (client, server) = duplex(64 * 1024);
    let metrics = Metrics::new().unwrap();
    let permit = Connections::new(metrics.connections()).admit(1).unwrap();
    let conn = Conn::new(
        Pipe(server),
        Connection::new("192.0.2.1:4711".parse().unwrap()),
        Limits::default(),
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
        while client.write_all(b"x").await.is_ok() {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                read = client.read_buf(&mut answer) => { read.unwrap(); break }
            }
        }
        answer
    });
    let error = loop {
        match read(&mut conn).await.0 {
            Ok(0) => panic!("closed silently"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(since.elapsed().as_secs(), 10, "for the whole head, not for each byte");
    assert_eq!(metrics.connections().header_timeouts.get(), 1);
    let answer = String::from_utf8(trickle.await.unwrap()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn between_requests_the_keepalive_timeout_counts() {
    let (mut client, mut conn, _) = conn();
    client.write_all(b"GET").await.unwrap();
    assert_eq!(read(&mut conn).await.0.unwrap(), 3);
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
        client.write_all(b"GET").await.unwrap();
        assert_eq!(read(&mut conn).await.0.unwrap(), 3);
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
    assert_eq!(conn.out, b"head body", "nothing is sent before the flush");
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
    assert_eq!(conn.out.capacity(), 0);
    let mut got = vec![0; 9];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(got, b"101 frame");
}
