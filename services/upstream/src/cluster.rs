//! A cluster at work.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use headwall_core::{BoxError, Context, Metrics, Peer, RequestHead, Unavailable, Upstream, async_trait};
use pingora_core::protocols::l4::socket::SocketAddr as Address;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::balance::Turns;
use crate::dialect::{Dialect, Name};
use crate::health::{Change, Health, Prober};
use crate::{ClusterSettings, Place, ServerAddress, ServerSettings};

/// How often a name is looked up again.
const LOOK_UP: Duration = Duration::from_secs(30);
/// How soon after a look-up that failed.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(2);

/// Servers that stand for one another.
pub(crate) struct Cluster(Arc<Servers>);

struct Servers {
    name: String,
    all: Vec<Server>,
    turns: Turns,
    retry_after: Duration,
    dialect: Dialect,
    tasks: parking_lot::Mutex<Vec<JoinHandle<()>>>,
}

struct Server {
    address: ServerAddress,
    /// What its certificate has to be valid for.
    name: Name,
    weight: u32,
    /// Ready to be copied for an attempt; none while a name has not been resolved.
    peer: ArcSwapOption<Target>,
    health: Health,
    prober: Option<Prober>,
}

/// Where a server is right now.
struct Target {
    peer: Peer,
    address: Address,
}

impl Cluster {
    pub(crate) fn new(
        name: &str,
        settings: &ClusterSettings,
        dialect: Dialect,
        metrics: &Metrics,
    ) -> Result<Self, BoxError> {
        let mut all = Vec::with_capacity(settings.servers.len());
        for ServerSettings { address, weight } in &settings.servers {
            let tls_name = dialect.name_of(address)?;
            let prober = match &settings.health_check {
                Some(check) => {
                    let peer = dialect.anywhere(&address.place, &tls_name)?;
                    Some(Prober::new(check, address, &peer)?)
                }
                None => None,
            };
            all.push(Server {
                address: address.clone(),
                name: tls_name,
                weight: *weight,
                peer: ArcSwapOption::empty(),
                health: Health::new(name, &address.to_string(), metrics)?,
                prober,
            });
        }
        let interval = settings.health_check.as_ref().map_or(LOOK_UP_AGAIN, |check| check.interval.as_std());
        let servers = Arc::new(Servers {
            name: name.to_owned(),
            all,
            turns: Turns::default(),
            // A server that comes back is noticed within an interval; longer waits would only keep clients away.
            retry_after: interval.min(Duration::from_secs(10)),
            dialect,
            tasks: parking_lot::Mutex::default(),
        });
        for index in 0..servers.all.len() {
            servers.settle(index)?;
        }
        servers.take_turns();
        Ok(Self(servers))
    }

    /// Looks names up and checks every server once, then goes on by itself. A cluster that is running already is left
    /// to it.
    pub(crate) fn first_look(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let servers = self.0.clone();
        async move {
            if !servers.tasks.lock().is_empty() {
                return;
            }
            for server in servers.all.iter().filter(|server| server.prober.is_none()) {
                server.health.show();
            }
            let (looking, mut looked) = mpsc::channel::<()>(1);
            for index in 0..servers.all.len() {
                let watch = watch(Arc::downgrade(&servers), index, looking.clone());
                servers.tasks.lock().push(tokio::spawn(watch));
            }
            drop(looking);
            // Nothing is ever sent: the wait is over when the last task has let go of its end.
            looked.recv().await;
        }
    }

    fn stop_watching(&self) {
        for task in self.0.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

#[async_trait]
impl Upstream for Cluster {
    async fn peer(&self, _: &RequestHead, cx: &mut Context) -> Result<Peer, Unavailable> {
        let servers = &*self.0;
        let nobody = || Unavailable::NoHealthyServer { retry_after: servers.retry_after };
        let index =
            servers.turns.take(cx.attempt() > 1, |index| servers.was_tried(index, cx)).ok_or_else(nobody)?;
        let target = servers.all[usize::from(index)].peer.load();
        Ok(target.as_ref().ok_or_else(nobody)?.peer.clone())
    }

    fn is_available(&self) -> bool {
        self.0.all.iter().any(Server::is_usable)
    }

    fn retire(&self) {
        self.stop_watching();
        for server in &self.0.all {
            server.health.forget();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop_watching();
    }
}

impl Servers {
    /// Gives a server that needs no look-up its peer.
    fn settle(&self, index: usize) -> Result<(), BoxError> {
        match &self.all[index].address.place {
            Place::Ip(address) => self.found(index, *address),
            Place::Unix(path) => {
                let text = path.to_string_lossy();
                let peer = self.dialect.behind(&text)?;
                let address = Address::Unix(std::os::unix::net::SocketAddr::from_pathname(path)?);
                self.all[index].peer.store(Some(Arc::new(Target { peer, address })));
            }
            Place::Name(..) => {}
        }
        Ok(())
    }

    /// Whether a request has been to a server before.
    fn was_tried(&self, index: u16, cx: &Context) -> bool {
        let target = self.all[usize::from(index)].peer.load();
        target
            .as_ref()
            .is_some_and(|target| cx.tried().iter().any(|name| Arc::ptr_eq(name, target.peer.name())))
    }

    fn found(&self, index: usize, address: SocketAddr) {
        let peer = self.dialect.at(address, &self.all[index].name);
        self.all[index].peer.store(Some(Arc::new(Target { peer, address: Address::Inet(address) })));
    }

    /// The usable servers take turns from now on.
    fn take_turns(&self) {
        let usable = (0_u16..).zip(&self.all).filter(|(_, server)| server.is_usable());
        self.turns.set(&usable.map(|(index, server)| (index, server.weight)).collect::<Vec<_>>());
    }

    /// Looks a name up. The last good answer stays when there is no new one.
    async fn look_up(&self, index: usize) -> Option<Duration> {
        let Place::Name(host, port) = &self.all[index].address.place else { return None };
        // One address has to do for now; IPv4 first, because `localhost` is often both and apps listen on one.
        let found = tokio::net::lookup_host((host.as_str(), *port)).await;
        let found = found.map(|addresses| addresses.min_by_key(SocketAddr::is_ipv6));
        match found {
            Ok(Some(address)) => {
                let known = self.all[index].peer.load();
                if known.as_ref().is_none_or(|target| target.address != Address::Inet(address)) {
                    log::info!("upstream {}: {host} is at {address}", self.name);
                    self.found(index, address);
                    self.take_turns();
                }
                Some(LOOK_UP)
            }
            Ok(None) | Err(_) => {
                let why = found.map_or_else(|error| error.to_string(), |_| "no address".into());
                log::warn!("upstream {}: {host} cannot be looked up: {why}", self.name);
                Some(LOOK_UP_AGAIN)
            }
        }
    }

    /// Checks a server.
    async fn check(&self, index: usize) -> Option<Duration> {
        let server = &self.all[index];
        let prober = server.prober.as_ref()?;
        let result = match server.peer.load_full() {
            Some(target) => prober.probe(&target.address).await,
            None => Err("its name has not been looked up yet".into()),
        };
        match prober.judge(&server.health, result.is_ok()) {
            Change::None => {}
            Change::Up => {
                log::info!("upstream {}: {} is up", self.name, server.address);
                self.take_turns();
            }
            Change::Down => {
                log::warn!(
                    "upstream {}: {} is down: {}",
                    self.name,
                    server.address,
                    result.err().unwrap_or_default()
                );
                self.take_turns();
            }
        }
        Some(prober.next_wait())
    }
}

impl Server {
    fn is_usable(&self) -> bool {
        self.health.is_up() && self.peer.load().is_some()
    }
}

/// Keeps an eye on one server for as long as its cluster exists. Lets go of `looking` once it has looked for the first
/// time.
async fn watch(servers: Weak<Servers>, index: usize, looking: mpsc::Sender<()>) {
    let mut looking = Some(looking);
    loop {
        let Some(servers) = servers.upgrade() else { return };
        let look_up = servers.look_up(index).await;
        let check = servers.check(index).await;
        drop(servers);
        looking.take();
        match look_up.into_iter().chain(check).min() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return,
        }
    }
}
