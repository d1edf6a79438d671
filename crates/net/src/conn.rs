//! The stream that Pingora is given.
//!
//! It keeps the time of a connection (the first byte, the whole head, the wait for the next request, the first byte
//! of an answer, the pace of bodies), lets through heads that are acceptable and answers the others, collects small
//! writes into one, and lets go of its memory while it is idle or carries a tunnel.

mod deadline;
mod farewell;
mod frames;
mod inbound;
mod outbound;
mod pace;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use headwall_core::connection::{BrokenOff, Connection, Phase, Tls};
use headwall_core::front::{Refusal, Refusals, Refused};
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
use crate::readable::Readable;
use deadline::{Deadlines, Expired};
use farewell::Farewell;
use frames::Frames;
use inbound::{Inbound, Verdict};
use outbound::{COLLECT, Outbound};
use pace::Pace;

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
    /// Nothing, where requests come in frames.
    inbound: Option<Inbound>,
    out: Outbound,
    /// There where answers go in frames.
    frames: Option<Frames>,
    /// There once a request was refused.
    farewell: Option<Box<Farewell>>,
    refusals: Arc<dyn Refusals>,
    permit: Permit,
}

impl<T: AsRawFd> Conn<T> {
    pub(crate) fn new(
        io: T,
        connection: Connection,
        limits: Limits,
        refusals: Arc<dyn Refusals>,
        permit: Permit,
    ) -> Self {
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
            inbound: (!connection.is_multiplexed()).then(|| Inbound::new(limits.head)),
            frames: connection.is_multiplexed().then(Frames::new),
            connection,
            digests: (Arc::new(proxy), Arc::new(socket)),
            deadlines: Deadlines::new(limits),
            out: Outbound::new(Pace::new(limits.send_timeout, limits.min_send_rate)),
            farewell: None,
            refusals,
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
        let drained = self.out.poll_drain(cx, &mut self.io);
        self.paced(drained)
    }

    /// Tells the gateway of a client that does not take what it gets.
    fn paced<R>(&self, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if let Poll::Ready(Err(error)) = &polled
            && error.kind() == io::ErrorKind::TimedOut
        {
            self.connection.break_off(BrokenOff::TooSlow);
        }
        polled
    }

    /// Takes note of what was taken over, to be written or written already.
    fn follow(&mut self, bytes: &[u8]) {
        if let Some(frames) = &mut self.frames {
            let errors = &self.permit.metrics().http2_errors;
            frames.follow(bytes, |ended, error| errors.with_label_values(&[ended.kind(), error]).inc());
        }
    }

    /// Nothing is to be read right now: is there still time to wait?
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wants_body = self.inbound.as_ref().is_some_and(Inbound::is_at_body);
        match ready!(self.deadlines.poll(cx, &self.connection, wants_body)) {
            // For Pingora this is a client that closed its connection between two requests.
            Expired::Keepalive => Poll::Ready(Ok(())),
            Expired::Head => {
                self.permit.metrics().header_timeouts.inc();
                self.refuse(cx, Refusal::Timeout)
            }
            Expired::Exchange => self.broken_off(BrokenOff::Unanswered, io::ErrorKind::TimedOut),
            Expired::Body => self.broken_off(BrokenOff::TooSlow, io::ErrorKind::TimedOut),
        }
    }

    fn broken_off(&self, why: BrokenOff, kind: io::ErrorKind) -> Poll<io::Result<()>> {
        self.connection.break_off(why);
        Poll::Ready(Err(kind.into()))
    }

    /// Answers a request whose head is not acceptable. Pingora has seen nothing of it, and is told that the client left.
    fn refuse(&mut self, cx: &mut Context<'_>, refusal: Refusal) -> Poll<io::Result<()>> {
        self.permit.metrics().requests_refused.with_label_values(&[refusal.reason()]).inc();
        let answer = self.refusals.answer(&Refused {
            connection: &self.connection,
            refusal,
            head: self.inbound.as_ref().map_or(&[], Inbound::head),
            duration: self.deadlines.elapsed(),
        });
        self.out.collect(&answer);
        self.farewell = Some(Box::new(Farewell::new()));
        self.poll_farewell(cx)
    }

    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = self.out.poll_drain(cx, &mut self.io);
        let Some(farewell) = &mut self.farewell else {
            return Poll::Ready(Ok(()));
        };
        ready!(farewell.poll(cx, &mut self.io, &said));
        Poll::Ready(Ok(()))
    }

    /// Waits for the next request, and holds next to nothing while it does. `false` when there will be none.
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>>
    where
        T: Readable,
    {
        if self.farewell.is_some() {
            return self.poll_farewell(cx).map_ok(|()| false);
        }
        let is_held = self.inbound.as_ref().is_none_or(|inbound| !inbound.is_empty());
        if is_held || self.io.poll_readable(cx).is_ready() {
            return Poll::Ready(Ok(true));
        }
        self.poll_rest(cx, self.connection.phase()).map_ok(|()| false)
    }

    /// Reads requests, each in its turn.
    fn poll_requests(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_some() {
            return self.poll_farewell(cx);
        }
        loop {
            let phase = self.connection.phase();
            let Some(inbound) = &mut self.inbound else {
                return self.poll_frames(cx, buf);
            };
            let mut verdict = inbound.give(buf, phase);
            if verdict == Verdict::Held {
                if phase == Phase::Tunnel {
                    return Pin::new(&mut self.io).poll_read(cx, buf);
                }
                if inbound.is_full() {
                    return self.poll_rest(cx, phase);
                }
                let wants_body = inbound.is_at_body();
                let Poll::Ready(read) = inbound.poll_take(cx, &mut self.io, buf) else {
                    return self.poll_rest(cx, phase);
                };
                verdict = match read {
                    Ok((read, verdict)) if read > 0 => {
                        if wants_body {
                            self.deadlines.body_moves(read);
                        }
                        verdict
                    }
                    result => return Poll::Ready(self.ended(result.map(drop))),
                };
            }
            if inbound.has_begun() {
                self.connection.enter(Phase::Head);
                self.deadlines.begun();
            }
            match verdict {
                Verdict::Given => return Poll::Ready(Ok(())),
                Verdict::Held => {}
                Verdict::Refused(refusal) => return self.refuse(cx, refusal),
                Verdict::Malformed => {
                    return self.broken_off(BrokenOff::Malformed, io::ErrorKind::InvalidData);
                }
            }
        }
    }

    /// Reads frames of HTTP/2.
    fn poll_frames(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Pending => self.poll_rest(cx, self.connection.phase()),
            Poll::Ready(result) => {
                if self.preface > 0 {
                    self.preface = self.preface.saturating_sub(buf.filled().len() - before);
                    if self.preface == 0 {
                        self.deadlines.begun();
                    }
                }
                Poll::Ready(self.ended(result))
            }
        }
    }

    /// Many clients leave TLS without a word; between two requests nothing is lost by it.
    fn ended(&self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.is_waiting() => Ok(()),
            result => result,
        }
    }

    /// Nothing comes at the moment.
    fn poll_rest(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<io::Result<()>> {
        match phase {
            Phase::Tunnel => return Poll::Pending,
            Phase::Idle | Phase::Multiplexed if self.out.is_empty() => {
                self.out.rest();
                if let Some(inbound) = &mut self.inbound {
                    inbound.rest();
                }
            }
            // Whoever waits for the client has nothing more to write for now. Pingora flushes a body of known length only
            // at its end, and its client would wait for the first half until the second is there.
            Phase::Exchange if !self.out.is_empty() => {
                if let Poll::Ready(Err(error)) = self.poll_drain(cx) {
                    return Poll::Ready(Err(error));
                }
            }
            Phase::Idle | Phase::Head | Phase::Exchange | Phase::Multiplexed => {}
        }
        self.poll_time(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Conn<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_requests(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Conn<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.connection.phase() == Phase::Tunnel {
            if !this.out.is_empty() {
                ready!(this.poll_drain(cx))?;
            }
            this.out.rest();
            // A tunnel has limits of its own.
            return Pin::new(&mut this.io).poll_write(cx, buf);
        }
        if !this.out.has_room_for(buf.len()) {
            ready!(this.poll_drain(cx))?;
        }
        if buf.len() >= COLLECT {
            let written = this.out.poll_write(cx, &mut this.io, buf);
            if let Poll::Ready(Ok(taken)) = &written {
                this.follow(&buf[..*taken]);
            }
            return this.paced(written);
        }
        this.out.collect(buf);
        this.follow(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        if this.frames.is_some() {
            // Frames are read first and written then, so there may be no read for a long time that would notice.
            this.out.rest();
        }
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
        if self.inbound.as_ref().is_some_and(Inbound::is_unread) {
            self.farewell.get_or_insert_with(|| Box::new(Farewell::new()));
            drop(poll_fn(|cx| self.poll_farewell(cx)).await);
        } else if let Err(error) = AsyncWriteExt::shutdown(self).await {
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

#[async_trait]
impl<T: AsyncRead + AsyncWrite + Readable + Unpin + Send> Peek for Conn<T> {
    /// Waits until there is something to read; it is shown to nobody. `false` when there will be nothing.
    async fn try_peek(&mut self, _: &mut [u8]) -> io::Result<bool> {
        poll_fn(|cx| self.poll_arrival(cx)).await
    }
}

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
