//! The sockets of a running server, and how they change.
//!
//! New addresses are bound before anything is decided, so that a reload that names a taken port changes nothing.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use headwall_config::ListenAddress;
use headwall_net::{Address, BindError, Listener, Transport};
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
    transport: Arc<ArcSwap<Transport>>,
    task: JoinHandle<()>,
}

/// Sockets that are bound and not served yet.
#[derive(Debug)]
pub(crate) struct Bound(Vec<(Slot, Listener, Transport)>);

/// A listener as a config wants it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) address: ListenAddress,
    pub(crate) transport: Transport,
}

impl Bound {
    fn address(&self, slot: &Slot) -> Option<&Address> {
        self.0.iter().find(|(bound, ..)| bound == slot).map(|(_, listener, _)| listener.address())
    }
}

impl Listeners {
    /// Binds what is asked for and not there yet.
    pub(crate) fn bind(&self, wanted: &[Wanted]) -> Result<Bound, BindError> {
        let missing = slots(wanted).into_iter().filter(|(slot, _)| !self.0.contains_key(slot));
        let bind = |(slot, transport): (Slot, &Transport)| {
            Listener::bind(&to_net(&slot.0)).map(|listener| (slot, listener, transport.clone()))
        };
        missing.map(bind).collect::<Result<_, _>>().map(Bound)
    }

    /// The port of the first one wanted that speaks TLS, whether it is served already or was just bound.
    pub(crate) fn https_port(&self, wanted: &[Wanted], bound: &Bound) -> Option<u16> {
        slots(wanted).iter().filter(|(_, transport)| transport.tls).find_map(|(slot, _)| {
            let served = self.0.get(slot).map(|accepting| &accepting.bound);
            match served.or_else(|| bound.address(slot))? {
                Address::Tcp(address) => Some(address.port()),
                Address::Unix(_) => None,
            }
        })
    }

    /// Closes what is no longer wanted, and speaks on what stays as is wanted now. Connections that are open stay.
    pub(crate) fn keep(&mut self, wanted: &[Wanted]) {
        let wanted: HashMap<_, _> = slots(wanted).into_iter().collect();
        self.0.retain(|slot, accepting| {
            if let Some(transport) = wanted.get(slot) {
                accepting.transport.store(Arc::new((*transport).clone()));
                return true;
            }
            log::info!("no longer listening on {}", accepting.bound);
            accepting.task.abort();
            false
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
    pub(crate) fn serve<F>(&mut self, bound: Bound, serve: impl Fn(Listener, Arc<ArcSwap<Transport>>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for (slot, listener, transport) in bound.0 {
            let bound = listener.address().clone();
            log::info!("listening on {bound}");
            let transport = Arc::new(ArcSwap::from_pointee(transport));
            let task = tokio::spawn(serve(listener, transport.clone()));
            self.0.insert(slot, Accepting { bound, transport, task });
        }
    }

    /// The addresses with their real ports, in the order of `wanted`.
    pub(crate) fn addresses(&self, wanted: &[Wanted]) -> Vec<Address> {
        slots(wanted).iter().filter_map(|(slot, _)| Some(self.0.get(slot)?.bound.clone())).collect()
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.keep(&[]);
    }
}

fn slots(wanted: &[Wanted]) -> Vec<(Slot, &Transport)> {
    let mut slots: Vec<(Slot, &Transport)> = Vec::new();
    for Wanted { address, transport } in wanted {
        let before = slots.iter().filter(|((taken, _), _)| taken == address).count();
        slots.push(((address.clone(), before), transport));
    }
    slots
}

fn to_net(address: &ListenAddress) -> Address {
    match address {
        ListenAddress::Tcp(address) => Address::Tcp(*address),
        ListenAddress::Unix(path) => Address::Unix(path.clone()),
    }
}
