//! The clock of a connection.
//!
//! One timer for everything. It is never set further ahead than the shortest limit that might begin meanwhile, the
//! one for a request head, so that going from one phase to another changes two words of memory and no timer wheel:
//! when the timer fires early, it is set to what is due then.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use headwall_core::connection::{Connection, Phase};
use tokio::time::{Instant, Sleep, sleep_until};

use super::pace::Pace;
use crate::Limits;

/// What has taken too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// The next request did not begin.
    Keepalive,
    /// A request's head, once begun, was not complete.
    Head,
    /// An upstream's answer did not begin.
    Exchange,
    /// A request's body came too slowly.
    Body,
}

#[derive(Debug)]
pub(super) struct Deadlines {
    limits: Limits,
    timer: Pin<Box<Sleep>>,
    /// The phase that was last waited in; none since a request has begun.
    phase: Option<Phase>,
    since: Instant,
    is_first: bool,
    body: Pace,
}

impl Deadlines {
    pub(super) fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let timer = Box::pin(sleep_until(now + limits.header_timeout));
        let body = Pace::new(limits.body_timeout, limits.min_body_rate);
        Self { limits, timer, phase: Some(Phase::Idle), since: now, is_first: true, body }
    }

    /// The first byte of a request is there, or HTTP/2 has begun. A request may be over before it was ever waited for, so the idleness after it
    /// cannot be told from the one before it by phase alone.
    pub(super) fn begun(&mut self) {
        (self.phase, self.is_first) = (None, false);
        self.body.begin();
    }

    /// A piece of a request's body has come.
    pub(super) fn body_moves(&mut self, bytes: usize) {
        self.body.moves(bytes);
    }

    /// How long ago the head began that is arriving.
    pub(super) fn elapsed(&self) -> Duration {
        if self.phase == Some(Phase::Head) { self.since.elapsed() } else { Duration::ZERO }
    }

    /// Pending while there is time left. `wants_body` tells whether it is the request's body that is waited for.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        wants_body: bool,
    ) -> Poll<Expired> {
        let phase = connection.phase();
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            // The clock is not asked where nobody wants to know.
            if phase != Phase::Exchange {
                self.since = Instant::now();
            }
        }
        loop {
            let Some((due, expired)) = self.due(phase, connection, wants_body) else {
                return Poll::Pending;
            };
            if due < self.timer.deadline() {
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            // Whether a pace was kept is known when its window is over, and asked again.
            if now >= due && (expired != Expired::Body || self.body.wait().is_none()) {
                return Poll::Ready(expired);
            }
            self.timer.as_mut().reset(due.max(now).min(now + self.limits.header_timeout));
        }
    }

    fn due(&mut self, phase: Phase, connection: &Connection, wants_body: bool) -> Option<(Instant, Expired)> {
        let Limits { header_timeout, keepalive_timeout, .. } = self.limits;
        match phase {
            Phase::Idle if self.is_first => Some((self.since + header_timeout, Expired::Keepalive)),
            Phase::Idle => Some((self.since + keepalive_timeout, Expired::Keepalive)),
            Phase::Head => Some((self.since + header_timeout, Expired::Head)),
            Phase::Exchange if wants_body => {
                Some((self.body.wait().unwrap_or_else(Instant::now), Expired::Body))
            }
            Phase::Exchange => connection.deadline().map(|due| (Instant::from_std(due), Expired::Exchange)),
            Phase::Multiplexed if self.is_first => Some((self.since + header_timeout, Expired::Keepalive)),
            Phase::Tunnel | Phase::Multiplexed => None,
        }
    }
}
