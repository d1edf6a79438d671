//! How an attempt has ended, told to whoever counts it.
//!
//! The tables here are told at once. What is shared is told by a task, so that the client's answer does not wait for Redis:
//! the attempt's seats are there until then, and keep the next ones out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use headwall_limit::Key;

use super::names::network_of;
use super::record::Settlement;
use super::report::Party;
use super::shared::Shared;
use super::store::{Kind, Seat, Store};
use super::watch::{Answer, Watch};

/// What is left of an attempt.
pub(super) struct Ending {
    pub(super) client: IpAddr,
    pub(super) address: Key,
    pub(super) account: Key,
    pub(super) seats: Vec<Seat>,
    /// The pair of account and address that is known from now on.
    pub(super) home: Option<Key>,
    /// Nothing, if the app was not asked.
    pub(super) answer: Option<Answer>,
}

// === impl Ending ===

impl Ending {
    /// Gives the seats back and reports the lockouts that begin.
    pub(super) fn settle(self, watch: &Arc<Watch>) {
        let Watch { store, rules, .. } = &**watch;
        if let Some(pair) = self.home {
            store.local().let_in(rules, pair);
        }
        let settle = |seat| store.settle(rules, seat, self.settlement(seat));
        let lockouts: Vec<_> = self.seats.iter().map(settle).collect();
        let Store::Shared(shared) = store else {
            self.report(watch, &lockouts);
            return;
        };
        let Some(room) = shared.background() else {
            self.report(watch, &lockouts);
            return;
        };
        let (watch, shared) = (watch.clone(), shared.clone());
        room.spawn(async move {
            let lockouts = self.tell(&watch, &shared, lockouts).await;
            self.report(&watch, &lockouts);
        });
    }

    /// Tells Redis. Where it answers, a lockout begins when it says so; otherwise when the tables here do.
    async fn tell(
        &self,
        watch: &Watch,
        shared: &Arc<Shared>,
        here: Vec<Option<Duration>>,
    ) -> Vec<Option<Duration>> {
        if let Some(pair) = self.home {
            shared.let_in(&watch.rules, pair).await;
        }
        let mut lockouts = here;
        for (seat, lockout) in self.seats.iter().zip(&mut lockouts) {
            if let Ok(there) = shared.settle(&watch.rules, seat, self.settlement(seat)).await {
                *lockout = there;
            }
        }
        lockouts
    }

    fn settlement(&self, seat: &Seat) -> Settlement {
        let by = match seat.kind {
            Kind::Address | Kind::Network => self.account,
            Kind::Account => self.address,
        };
        match self.answer {
            Some(Answer::Failed) => Settlement::Failed { by },
            Some(Answer::Succeeded) => Settlement::Succeeded { by },
            Some(Answer::Undecided) | None => Settlement::Withdrawn,
        }
    }

    fn report(&self, watch: &Watch, lockouts: &[Option<Duration>]) {
        for (seat, lockout) in self.seats.iter().zip(lockouts) {
            let Some(length) = *lockout else { continue };
            match seat.kind {
                Kind::Address => watch.report.locked_out(&Party::Address, self.client, length),
                Kind::Account => {
                    let digits = watch.names.in_log(self.account);
                    watch.report.locked_out(&Party::Account(&digits), self.client, length);
                }
                Kind::Network => {
                    let (_, written) = network_of(self.client);
                    watch.report.locked_out(&Party::Network(&written), self.client, length);
                }
            }
        }
    }
}
