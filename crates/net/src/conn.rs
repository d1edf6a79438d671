//! The stream that Pingora is given.
//!
//! It keeps the time of a connection (the first byte, the whole head, the wait for the next request, the first byte
//! of an answer), collects small writes into one, and lets go of its memory while it is idle or carries a tunnel.

mod deadline;

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use headwall_core::connection::{Connection, Phase, Tls};
use pingora_core::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID,
};
use pingora_http::ResponseHeader;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::Limits;
use crate::connections::Permit;
use crate::preface::PREFACE;
use deadline::{Deadlines, Expired};

/// Small writes are collected up to this size, so that a head and a short body are one packet.
const COLLECT: usize = 8 * 1024;

/// What a client gets whose request head does not arrive. It is written here because Pingora would say nothing.
const TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\n\
    Content-Length: 53\r\nConnection: close\r\n\r\n{\"error\":\"The request took too long to arrive here.\"}";

/// A client connection over any transport.
pub struct Conn<T> {
    io: T,
    id: i32,
    connection: Arc<Connection>,
    digests: (Arc<ProxyDigest>, Arc<SocketDigest>),
    encryption: Option<Arc<SslDigest>>,
    deadlines: Deadlines,
    /// How much of the preface is still to come by which HTTP/2 begins.
    preface: usize,
    out: Vec<u8>,
    written: usize,
    permit: Permit,
}

impl<T: AsRawFd> Conn<T> {
    pub(crate) fn new(io: T, connection: Connection, limits: Limits, permit: Permit) -> Self {
        let peer = connection.peer();
        let connection = Arc::new(connection);
        let socket = SocketDigest::from_raw_fd(io.as_raw_fd());
        // Saves Pingora a system call, and is right where the kernel's answer would not be.
        socket.peer_addr.get_or_init(|| Some(PeerAddress::Inet(peer)));
        let told: Box<Arc<Connection>> = Box::new(connection.clone());
        let proxy = ProxyDigest::new(Box::new(no_response()), Some(told));
        // Pingora goes by its presence alone.
        let digest = |tls: &Tls| Arc::new(SslDigest::new(tls.cipher, tls.version, None, None, Vec::new()));
        Self {
            id: io.as_raw_fd(),
            io,
            encryption: connection.tls().map(digest),
            preface: if connection.is_multiplexed() { PREFACE.len() } else { 0 },
            connection,
            digests: (Arc::new(proxy), Arc::new(socket)),
            deadlines: Deadlines::new(limits),
            out: Vec::new(),
            written: 0,
            permit,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Conn<T> {
    /// Whether the client may leave now without breaking anything off.
    fn is_waiting(&self) -> bool {
        matches!(self.connection.phase(), Phase::Idle | Phase::Multiplexed)
    }

    /// Writes what was collected.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let taken = ready!(Pin::new(&mut self.io).poll_write(cx, &self.out[self.written..]))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += taken;
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Nothing is to be read right now: is there still time to wait?
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.deadlines.poll(cx, &self.connection)) {
            // For Pingora this is a client that closed its connection between two requests.
            Expired::Keepalive => Poll::Ready(Ok(())),
            Expired::Head => {
                self.permit.metrics().header_timeouts.inc();
                // If the socket does not take it at once, the client would not have read it either.
                match Pin::new(&mut self.io).poll_write(cx, TIMED_OUT) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Ready(Ok(_)) | Poll::Pending => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                }
            }
            Expired::Exchange => {
                self.connection.give_up();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Conn<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.io).poll_read(cx, buf) {
            let read = buf.filled().len() - before;
            if read > 0 && this.connection.phase() == Phase::Idle {
                this.connection.enter(Phase::Head);
                this.deadlines.begun();
            } else if this.preface > 0 {
                this.preface = this.preface.saturating_sub(read);
                if this.preface == 0 {
                    this.deadlines.begun();
                }
            }
            // Many clients leave TLS without a word; between two requests nothing is lost by it.
            return Poll::Ready(match result {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && this.is_waiting() => Ok(()),
                result => result,
            });
        }
        match this.connection.phase() {
            Phase::Tunnel => Poll::Pending,
            Phase::Idle | Phase::Multiplexed if this.out.is_empty() => {
                this.out = Vec::new();
                this.poll_time(cx)
            }
            Phase::Idle | Phase::Head | Phase::Exchange | Phase::Multiplexed => this.poll_time(cx),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Conn<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.connection.phase() == Phase::Tunnel {
            if !this.out.is_empty() {
                ready!(this.poll_drain(cx))?;
            }
            this.out = Vec::new();
            return Pin::new(&mut this.io).poll_write(cx, buf);
        }
        if this.out.len() + buf.len() > COLLECT {
            ready!(this.poll_drain(cx))?;
        }
        if buf.len() >= COLLECT {
            return Pin::new(&mut this.io).poll_write(cx, buf);
        }
        if this.out.capacity() == 0 {
            this.out.reserve_exact(COLLECT);
        }
        this.out.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

#[async_trait]
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Shutdown for Conn<T> {
    async fn shutdown(&mut self) {
        if let Err(error) = AsyncWriteExt::shutdown(self).await {
            log::debug!("a connection was closed before its end was sent: {error}");
        }
    }
}

impl<T> UniqueID for Conn<T> {
    fn id(&self) -> i32 {
        self.id
    }
}

impl<T> Ssl for Conn<T> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.encryption.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.connection.is_multiplexed().then_some(ALPN::H2)
    }
}

impl<T> Peek for Conn<T> {}

impl<T> GetTimingDigest for Conn<T> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<T> GetProxyDigest for Conn<T> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.digests.0.clone())
    }
}

impl<T> GetSocketDigest for Conn<T> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.digests.1.clone())
    }
}

impl<T> fmt::Debug for Conn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("peer", &self.connection.peer()).finish_non_exhaustive()
    }
}

/// Pingora's proxy digest cannot be had without the response of a CONNECT proxy.
fn no_response() -> ResponseHeader {
    ResponseHeader::build_no_case(200_u16, Some(0)).unwrap_or_else(|_| unreachable!("200 is a status"))
}

#[cfg(test)]
mod tests;
