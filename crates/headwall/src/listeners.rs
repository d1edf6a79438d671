//! The sockets of a running server, and how they change.
//!
//! New addresses are bound before anything is decided, so that a reload that names a taken port changes nothing.

use std::collections::HashMap;
use std::future::Future;

use headwall_config::ListenAddress;
use headwall_net::{Address, BindError, Listener};
use tokio::task::JoinHandle;

/// Accept loops by what the config asks for.
#[derive(Debug, Default)]
pub(crate) struct Listeners(HashMap<Slot, Accepting>);

/// The address that a config asks for, and how many listeners before it ask for the same: port 0 can be had twice.
type Slot = (ListenAddress, usize);

#[derive(Debug)]
struct Accepting {
    /// The address with its real port.
    bound: Address,
    task: JoinHandle<()>,
}

/// Sockets that are bound and not served yet.
#[derive(Debug)]
pub(crate) struct Bound(Vec<(Slot, Listener)>);

impl Listeners {
    /// Binds what is asked for and not there yet.
    pub(crate) fn bind<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a ListenAddress>,
    ) -> Result<Bound, BindError> {
        let missing = slots(wanted).into_iter().filter(|slot| !self.0.contains_key(slot));
        let bind = |slot: Slot| Listener::bind(&to_net(&slot.0)).map(|listener| (slot, listener));
        missing.map(bind).collect::<Result<_, _>>().map(Bound)
    }

    /// Closes what is no longer wanted. Connections that came through it stay.
    pub(crate) fn keep<'a>(&mut self, wanted: impl IntoIterator<Item = &'a ListenAddress>) {
        let wanted = slots(wanted);
        self.0.retain(|slot, accepting| {
            let keep = wanted.contains(slot);
            if !keep {
                log::info!("no longer listening on {}", accepting.bound);
                accepting.task.abort();
            }
            keep
        });
    }

    /// Closes all of them, and returns when the sockets are closed and nothing of an accept loop is left.
    pub(crate) async fn close(&mut self) {
        for (_, accepting) in self.0.drain() {
            log::info!("no longer listening on {}", accepting.bound);
            accepting.task.abort();
            // An accept loop never ends by itself, so this says that it was aborted.
            drop(accepting.task.await);
        }
    }

    /// Serves what was bound.
    pub(crate) fn serve<F>(&mut self, bound: Bound, serve: impl Fn(Listener) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for (slot, listener) in bound.0 {
            let bound = listener.address().clone();
            log::info!("listening on {bound}");
            let task = tokio::spawn(serve(listener));
            self.0.insert(slot, Accepting { bound, task });
        }
    }

    /// The addresses with their real ports, in the order of `wanted`.
    pub(crate) fn addresses<'a>(&self, wanted: impl IntoIterator<Item = &'a ListenAddress>) -> Vec<Address> {
        slots(wanted).iter().filter_map(|slot| Some(self.0.get(slot)?.bound.clone())).collect()
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.keep([]);
    }
}

fn slots<'a>(wanted: impl IntoIterator<Item = &'a ListenAddress>) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::new();
    for address in wanted {
        let before = slots.iter().filter(|(taken, _)| taken == address).count();
        slots.push((address.clone(), before));
    }
    slots
}

fn to_net(address: &ListenAddress) -> Address {
    match address {
        ListenAddress::Tcp(address) => Address::Tcp(*address),
        ListenAddress::Unix(path) => Address::Unix(path.clone()),
    }
}
