//! HTTP/2 without TLS: a client that knows that it is spoken here begins with a preface that is no HTTP/1 request
//! (RFC 9113, 3.3 and 3.4). What was read to tell the two apart is given back to whoever reads next.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::readable::Readable;

/// The first bytes of HTTP/2.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream of which the beginning was read and is to be read again.
#[derive(Debug)]
pub(crate) struct Replayed<T> {
    io: T,
    prefix: Vec<u8>,
    given: usize,
}

/// Reads until it is clear which protocol is spoken, and says whether it is HTTP/2.
pub(crate) async fn read<T: AsyncRead + Unpin>(mut io: T) -> io::Result<(Replayed<T>, bool)> {
    let mut prefix = Vec::with_capacity(PREFACE.len());
    while prefix.len() < PREFACE.len() && PREFACE.starts_with(&prefix) {
        let missing = (PREFACE.len() - prefix.len()) as u64;
        if (&mut io).take(missing).read_buf(&mut prefix).await? == 0 {
            break;
        }
    }
    let is_http2 = prefix == PREFACE;
    Ok((Replayed { io, prefix, given: 0 }, is_http2))
}

impl<T: AsRawFd> AsRawFd for Replayed<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl<T: Readable> Readable for Replayed<T> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.given < self.prefix.len() { Poll::Ready(()) } else { self.io.poll_readable(cx) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Replayed<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given == this.prefix.len() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let rest = &this.prefix[this.given..];
        let taken = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..taken]);
        this.given += taken;
        if this.given == this.prefix.len() {
            (this.prefix, this.given) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Replayed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn the_two_are_told_apart_and_nothing_is_lost() {
        let mut http2 = PREFACE.to_vec();
        http2.extend_from_slice(b"frames");
        let rows: [(&[u8], bool, &str); 5] = [
            (&http2, true, "HTTP/2"),
            (b"GET / HTTP/1.1\r\n\r\n", false, "HTTP/1"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", false, "almost"),
            (b"PUT", false, "shorter than the preface, and soon another"),
            (b"PR", false, "nothing more comes"),
        ];
        for (sent, expected, row) in rows {
            for piece in [1, 5, sent.len()] {
                let (mut client, server) = tokio::io::duplex(64);
                for bytes in sent.chunks(piece) {
                    client.write_all(bytes).await.unwrap();
                }
                drop(client);
                let (mut replayed, is_http2) = read(server).await.unwrap();
                assert_eq!(is_http2, expected, "{row}");
                let mut all = Vec::new();
                replayed.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, sent, "{row}");
            }
        }
    }
}
