//! One attempt, from its admission to its answer.
//!
//! An attempt has a seat at each party that it counts for: its address, its account, its network. However it ends, and
//! if the request is simply dropped, the seats are given back.

use std::net::IpAddr;
use std::sync::Arc;

use headwall_limit::Key;
use parking_lot::Mutex;

use super::ending::Ending;
use super::names::network_of;
use super::record::Refusal;
use super::store::{Kind, Seat};
use super::watch::{Answer, Watch};

/// An attempt under way.
pub(super) struct Attempt {
    watch: Arc<Watch>,
    client: IpAddr,
    address: Key,
    state: Mutex<State>,
}

struct State {
    account: Key,
    /// Whether the body has named the account.
    is_named: bool,
    seats: Vec<Seat>,
    ended: bool,
}

// === impl Attempt ===

impl Attempt {
    /// An attempt that its address was admitted for.
    pub(super) fn begin(watch: &Arc<Watch>, client: IpAddr, seat: Seat) -> Self {
        let account = watch.names.account("");
        let state = State { account, is_named: false, seats: vec![seat], ended: false };
        Self { watch: watch.clone(), client, address: seat.key, state: Mutex::new(state) }
    }

    /// Whether it is an attempt at that guard.
    pub(super) fn is_at(&self, watch: &Arc<Watch>) -> bool {
        Arc::ptr_eq(&self.watch, watch)
    }

    /// The account is known now, by its name, and empty if it was not named. The answer is the kind and the reason of a
    /// refusal.
    pub(super) async fn concerns(&self, name: &str) -> Result<(), (Kind, Refusal)> {
        let Watch { store, rules, names, .. } = &*self.watch;
        let account = names.account(name);
        {
            let mut state = self.state.lock();
            (state.account, state.is_named) = (account, !name.is_empty());
        }
        // Somebody who is at home here is not locked out by what others do elsewhere. The address still counts.
        if store.knows(names.pair(account, self.address)).await {
            return Ok(());
        }
        for (kind, key) in [(Kind::Account, account), (Kind::Network, network_of(self.client).0)] {
            let seat = store.admit(rules, kind, key).await.map_err(|refusal| (kind, refusal))?;
            self.state.lock().seats.push(seat);
        }
        Ok(())
    }

    /// The attempt has come to nothing and counts for nothing: it was refused here.
    pub(super) fn give_up(&self) {
        self.settle(None);
    }

    /// The app has answered.
    pub(super) fn end(&self, answer: Answer) {
        self.settle(Some(answer));
    }

    fn settle(&self, answer: Option<Answer>) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        let Watch { names, report, .. } = &*self.watch;
        match answer {
            Some(Answer::Failed) => report.failed.inc(),
            Some(Answer::Succeeded) => report.succeeded.inc(),
            Some(Answer::Undecided) => report.undecided.inc(),
            None => {}
        }
        // To be known without a name would be to be known for everybody's account.
        let is_home = answer == Some(Answer::Succeeded) && state.is_named;
        let ending = Ending {
            client: self.client,
            address: self.address,
            account: state.account,
            seats: std::mem::take(&mut state.seats),
            home: is_home.then(|| names.pair(state.account, self.address)),
            answer,
        };
        drop(state);
        ending.settle(&self.watch);
    }
}

impl Drop for Attempt {
    /// The client left before the app had answered, or somebody else answered.
    fn drop(&mut self) {
        self.settle(Some(Answer::Undecided));
    }
}
