//! What an accept loop and the gateway tell each other about one client connection.
//!
//! Pingora has no deadline for a whole request head, no first-byte timeout and no way to shrink a connection that has
//! become a tunnel. All three are matters of time or memory on the client's side of the stream, so the stream keeps
//! them (`headwall-net`), and the gateway tells it which part of an exchange it is in. A gateway that is hosted by a
//! plain Pingora `Server` has no such stream and does without.

mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::HeaderValue;
use pingora_core::protocols::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_proxy::Session;
use tokio::sync::Notify;

pub use tls::{ClientCertificate, Tls};

/// One client connection, shared by the stream and the requests on it.
#[derive(Debug)]
pub struct Connection {
    peer: SocketAddr,
    /// The peer's address as header text, made once for all requests of the connection.
    peer_text: HeaderValue,
    local: Option<SocketAddr>,
    tls: Option<Tls>,
    /// Several requests at a time come on it, so that it is in no one phase: HTTP/2.
    multiplexed: bool,
    opened: Instant,
    phase: AtomicU8,
    /// Milliseconds after `opened` at which the exchange is to be given up; 0 means never.
    give_up_at: AtomicU64,
    broken_off: AtomicU8,
    /// Requests so far.
    requests: AtomicU32,
    /// Told once no more requests should come.
    enough: Notify,
}

/// Which part of its life a connection is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing of the next request has come yet.
    Idle,
    /// The head of a request is arriving.
    Head,
    /// A request is being served.
    Exchange,
    /// HTTP is over: the connection carries a tunnel.
    Tunnel,
    /// HTTP/2: requests come and go, and each keeps its own time.
    Multiplexed,
}

/// Why a stream gives nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BrokenOff {
    /// It does.
    Not,
    /// The upstream's answer did not begin before the exchange's deadline.
    Unanswered,
    /// The client sent its body, or took the answer, too slowly.
    TooSlow,
    /// The client's body is not what it says.
    Malformed,
}

impl Connection {
    /// A connection that was just accepted from `peer`.
    pub fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            peer_text: address_text(peer.ip()),
            local: None,
            tls: None,
            multiplexed: false,
            opened: Instant::now(),
            phase: AtomicU8::new(Phase::Idle as u8),
            give_up_at: AtomicU64::new(0),
            broken_off: AtomicU8::new(BrokenOff::Not as u8),
            requests: AtomicU32::new(0),
            enough: Notify::new(),
        }
    }

    /// The same, to this address of ours.
    #[must_use]
    pub fn to(self, local: Option<SocketAddr>) -> Self {
        Self { local, ..self }
    }

    /// The same, with what was agreed on in a TLS handshake.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same, with HTTP/2 spoken on it.
    #[must_use]
    pub fn multiplexed(self) -> Self {
        Self { multiplexed: true, phase: AtomicU8::new(Phase::Multiplexed as u8), ..self }
    }

    /// What is known of it by those who are not on it, and must not end what is.
    pub(crate) fn aside(&self) -> Option<Arc<Self>> {
        self.tls.clone().map(|tls| Arc::new(Self::new(self.peer).with_tls(tls)))
    }

    /// The address of ours that the client has connected to, where it is known.
    pub fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// What was agreed on in the TLS handshake, if there was one.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Whether HTTP/2 is spoken on it.
    pub fn is_multiplexed(&self) -> bool {
        self.multiplexed
    }

    /// The other end. A unix socket's is `127.0.0.1:0`, since whoever can open it is on this machine.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Where the connection is in its life.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Exchange,
            3 => Phase::Tunnel,
            _ => Phase::Multiplexed,
        }
    }

    /// Moves on to another phase. With several requests at a time there is none to move to.
    pub fn enter(&self, phase: Phase) {
        if self.multiplexed {
            return;
        }
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// When the running exchange is to be given up, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        match self.give_up_at.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(self.opened + Duration::from_millis(millis)),
        }
    }

    /// The stream reports why nothing more comes from it.
    pub fn break_off(&self, why: BrokenOff) {
        self.broken_off.store(why as u8, Ordering::Relaxed);
    }

    /// Another request has come on it. Counts from 1.
    pub(crate) fn count_request(&self) -> u32 {
        self.requests.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// The client has asked for as much as it may. Where several requests come at a time, the accept loop has to tell it.
    pub(crate) fn has_enough(&self) {
        if self.multiplexed {
            self.enough.notify_one();
        }
    }

    /// Waits until no more requests should come on it, which over HTTP/2 is said in a frame of its own (GOAWAY).
    pub async fn enough(&self) {
        self.enough.notified().await;
    }

    pub(crate) fn peer_text(&self) -> &HeaderValue {
        &self.peer_text
    }

    pub(crate) fn give_up_at(&self, time: Instant) {
        let at = time.saturating_duration_since(self.opened).as_millis();
        self.give_up_at.store(u64::try_from(at).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    pub(crate) fn never_give_up(&self) {
        self.give_up_at.store(0, Ordering::Relaxed);
    }

    /// The exchange that was given up is followed by another attempt.
    pub(crate) fn mend(&self) {
        self.never_give_up();
        self.break_off(BrokenOff::Not);
    }

    /// Why nothing more comes from the stream.
    pub(crate) fn broken_off(&self) -> BrokenOff {
        match self.broken_off.load(Ordering::Relaxed) {
            0 => BrokenOff::Not,
            1 => BrokenOff::Unanswered,
            2 => BrokenOff::TooSlow,
            _ => BrokenOff::Malformed,
        }
    }

    /// The connection that a request came on, if its accept loop told of it.
    pub(crate) fn of(session: &Session) -> Option<Arc<Self>> {
        Self::told(session.digest()?.proxy_digest.as_ref()?)
    }

    /// The connection behind a stream, if its accept loop told of it.
    pub fn behind(stream: &Stream) -> Option<Arc<Self>> {
        Self::told(&*stream.get_proxy_digest()?)
    }

    fn told(digest: &ProxyDigest) -> Option<Arc<Self>> {
        digest.user_data.as_ref()?.downcast_ref::<Arc<Self>>().cloned()
    }
}

/// Header text of an address. Every address is valid header text.
pub(crate) fn address_text(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_set_and_taken_back() {
        let connection = Connection::new("192.0.2.1:4711".parse().unwrap());
        assert_eq!(connection.deadline(), None);
        connection.give_up_at(Instant::now() + Duration::from_secs(5));
        let wait = connection.deadline().unwrap() - connection.opened;
        assert!(wait >= Duration::from_millis(4999), "{wait:?}");
        connection.never_give_up();
        assert_eq!(connection.deadline(), None);
    }

    #[test]
    fn who_is_aside_cannot_end_what_is_on_a_connection() {
        let plain = Connection::new("192.0.2.1:4711".parse().unwrap());
        assert!(plain.aside().is_none(), "there is nothing to know");
        let tls = Tls::new("TLSv1.3", "TLS_AES_128_GCM_SHA256");
        let connection = Connection::new("192.0.2.1:4711".parse().unwrap()).with_tls(tls);
        connection.give_up_at(Instant::now() + Duration::from_secs(5));
        let aside = connection.aside().unwrap();
        aside.mend();
        assert!(aside.tls().is_some());
        assert!(connection.deadline().is_some(), "it is still to be given up");
    }

    #[test]
    fn an_ipv4_peer_of_a_dual_stack_listener_is_written_as_ipv4() {
        let connection = Connection::new("[::ffff:192.0.2.1]:4711".parse().unwrap());
        assert_eq!(connection.peer_text(), "192.0.2.1");
    }
}
