//! Names, and where they lead.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Place, Pool, Role};

/// How often a name is looked up again.
const LOOK_UP: Duration = Duration::from_secs(30);
/// How soon after a look-up that failed.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(2);

impl Pool {
    /// Looks every name up, and goes on doing so. Each look-up holds `looking` until there was one answer, and until the
    /// servers that it tells have been looked at.
    pub(super) fn look_names_up(self: &Arc<Self>, looking: &mpsc::Sender<()>) {
        let place = |role: &Role| match &role.settings.address.place {
            Place::Name(host, port) => Some((host.clone(), *port)),
            Place::Ip(_) | Place::Unix(_) => None,
        };
        let names: Vec<_> = self.members.lock().roles().iter().map(place).collect();
        for (index, (host, port)) in names.into_iter().enumerate().filter_map(|(i, name)| Some((i, name?))) {
            let looks = look_up(Arc::downgrade(self), index, host, port, looking.clone());
            self.tasks.lock().push(tokio::spawn(looks));
        }
    }

    /// Takes an answer in. The last good one stays when there is no new one.
    fn hear_of(
        self: &Arc<Self>,
        index: usize,
        host: &str,
        port: u16,
        addresses: &[SocketAddr],
        looking: &mpsc::Sender<()>,
    ) {
        if self.roster.answer(host, port) == addresses {
            return;
        }
        log::info!("upstream {}: {host} is at {}", self.name, listed(addresses));
        self.roster.remember(host, port, addresses);
        let found = self.members.lock().found(index, addresses);
        if let Err(error) = found {
            log::error!("upstream {}: {host}: {error}", self.name);
        }
        let watches = self.members.lock().watches();
        watches.iter().for_each(|watch| watch.start(looking));
        self.renew();
    }
}

/// Looks a name up for as long as its cluster exists.
async fn look_up(pool: Weak<Pool>, index: usize, host: String, port: u16, looking: mpsc::Sender<()>) {
    let mut looking = Some(looking);
    loop {
        // One address has to do for now; IPv4 first, because `localhost` is often both and apps listen on one.
        let found = tokio::net::lookup_host((host.as_str(), port)).await;
        let found = found.map(|addresses| addresses.min_by_key(SocketAddr::is_ipv6));
        let Some(pool) = pool.upgrade() else { return };
        let wait = match found {
            Ok(Some(address)) => {
                let looking = looking.take().unwrap_or_else(|| mpsc::channel(1).0);
                pool.hear_of(index, &host, port, &[address], &looking);
                LOOK_UP
            }
            Ok(None) | Err(_) => {
                let why = found.map_or_else(|error| error.to_string(), |_| "no address".into());
                log::warn!("upstream {}: {host} cannot be looked up: {why}", pool.name);
                LOOK_UP_AGAIN
            }
        };
        looking = None;
        drop(pool);
        tokio::time::sleep(wait).await;
    }
}

fn listed(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}
