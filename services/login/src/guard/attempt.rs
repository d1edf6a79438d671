//! One attempt, from its admission to its answer.
//!
//! An attempt has a seat at each party that it counts for: its address, its account, its network. However it ends, and
//! if the request is simply dropped, the seats are given back.

use std::net::IpAddr;
use std::sync::Arc;

use headwall_limit::Key;
use parking_lot::Mutex;

use super::names::network_of;
use super::record::{Admission, Settlement};
use super::report::Party;
use super::store::Kind;
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
    /// Whether the seats beyond the address's are taken.
    at_account: bool,
    at_network: bool,
    ended: bool,
}

// === impl Attempt ===

impl Attempt {
    /// An attempt that its address was admitted for.
    pub(super) fn begin(watch: &Arc<Watch>, client: IpAddr, address: Key) -> Self {
        let account = watch.names.account("");
        let state = State { account, is_named: false, at_account: false, at_network: false, ended: false };
        Self { watch: watch.clone(), client, address, state: Mutex::new(state) }
    }

    /// Whether it is an attempt at that guard.
    pub(super) fn is_at(&self, watch: &Arc<Watch>) -> bool {
        Arc::ptr_eq(&self.watch, watch)
    }

    /// The account is known now, by its name, and empty if it was not named. The answer is the kind and the reason of a
    /// refusal.
    pub(super) fn concerns(&self, name: &str) -> Result<(), (Kind, Admission)> {
        let Watch { store, rules, names, .. } = &*self.watch;
        let mut state = self.state.lock();
        state.account = names.account(name);
        state.is_named = !name.is_empty();
        // Somebody who is at home here is not locked out by what others do elsewhere. The address still counts.
        if store.knows(names.pair(state.account, self.address)) {
            return Ok(());
        }
        let admit = |kind, key| match store.admit(rules, kind, key) {
            Admission::Admitted => Ok(true),
            refusal @ (Admission::Busy | Admission::Locked(_)) => Err((kind, refusal)),
        };
        state.at_account = admit(Kind::Account, state.account)?;
        state.at_network = admit(Kind::Network, network_of(self.client).0)?;
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
        let Watch { store, rules, names, report, .. } = &*self.watch;
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        let settlement = |by| match answer {
            Some(Answer::Failed) => Settlement::Failed { by },
            Some(Answer::Succeeded) => Settlement::Succeeded { by },
            Some(Answer::Undecided) | None => Settlement::Withdrawn,
        };
        match answer {
            Some(Answer::Failed) => report.failed.inc(),
            Some(Answer::Succeeded) => {
                report.succeeded.inc();
                // To be known without a name would be to be known for everybody's account.
                if state.is_named {
                    store.let_in(rules, names.pair(state.account, self.address));
                }
            }
            Some(Answer::Undecided) => report.undecided.inc(),
            None => {}
        }
        if let Some(length) = store.settle(rules, Kind::Address, self.address, settlement(state.account)) {
            report.locked_out(&Party::Address, self.client, length);
        }
        if state.at_account
            && let Some(length) = store.settle(rules, Kind::Account, state.account, settlement(self.address))
        {
            report.locked_out(&Party::Account(&names.in_log(state.account)), self.client, length);
        }
        if state.at_network {
            let (network, written) = network_of(self.client);
            if let Some(length) = store.settle(rules, Kind::Network, network, settlement(state.account)) {
                report.locked_out(&Party::Network(&written), self.client, length);
            }
        }
    }
}

impl Drop for Attempt {
    /// The client left before the app had answered, or somebody else answered.
    fn drop(&mut self) {
        self.settle(Some(Answer::Undecided));
    }
}
