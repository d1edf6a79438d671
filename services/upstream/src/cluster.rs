//! A cluster at work.
//!
//! What a config says of the servers stands here, and who they are; what is known of each stands with the
//! [server](crate::server::Server). The two meet in a [`snapshot`], which requests choose from.

mod members;
mod names;
mod orders;
mod snapshot;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use headwall_core::upstream::{Disobeyed, Order, ServerStatus};
use headwall_core::{
    Attempt, BoxError, Build, Context, LocalReply, Peer, RequestHead, Timeouts, Unavailable, Upstream,
    async_trait,
};
use prometheus::IntGauge;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::breaker::{Breaker, Turned};
use crate::dialect::Dialect;
use crate::discovery::Resolver;
use crate::passive::Judge;
use crate::policy::{Policies, Policy};
use crate::queue::NoPlace;
use crate::roster::Roster;
use crate::server::{Hear, InFlight, Server};
use crate::sticky::Sticky;
use crate::{ClusterSettings, QueueSettings};
use members::{Members, STEPS};
use snapshot::{Chosen, Nobody, Snapshot};

/// How long clients are told to stay away when there is nobody to ask and no check that would find out.
const UNCHECKED: Duration = Duration::from_secs(2);
/// How long they are told to stay away when everybody is busy and there is no queue.
const BUSY: Duration = Duration::from_secs(1);

/// Servers that stand for one another.
pub(crate) struct Cluster(Arc<Pool>);

/// A cluster, as its tasks know it: they must not keep it alive.
pub(crate) struct Pool {
    name: Arc<str>,
    policy: Arc<dyn Policy>,
    sticky: Option<Sticky>,
    breaker: Option<Arc<Breaker>>,
    judge: Option<Judge>,
    /// How many requests and tunnels all servers together may have.
    limit: Option<u32>,
    queue: Option<(QueueSettings, IntGauge)>,
    retry_after: Duration,
    slow_start: Option<Duration>,
    timeouts: Option<Timeouts>,
    roster: Arc<Roster>,
    resolver: Resolver,
    /// Who the servers are. Requests do not look here.
    members: parking_lot::Mutex<Members>,
    snapshot: ArcSwap<Snapshot>,
    tasks: parking_lot::Mutex<Vec<JoinHandle<()>>>,
    /// Makes the next snapshot while a server is on its way to its full share.
    warming: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

// === impl Cluster ===

impl Cluster {
    pub(crate) fn new<P: Policies>(
        settings: &ClusterSettings<P>,
        dialect: Dialect,
        cx: &Build<'_>,
    ) -> Result<Self, BoxError> {
        let roster = cx.shared("roster", || Roster::new(cx.name(), cx.metrics()))?;
        let interval = settings.health_check.as_ref().map_or(UNCHECKED, |check| check.interval.as_std());
        let members = Members::new(settings, dialect, roster.clone(), cx)?;
        let gauge = |name, help| {
            cx.metrics()
                .gauges(name, help, &["upstream"])
                .map(|gauges| gauges.with_label_values(&[cx.name()]))
        };
        let queue = |queue: &QueueSettings| {
            let waiting = gauge("headwall_upstream_waiting", "Requests that wait for a place at a server.")?;
            Ok::<_, BoxError>((queue.clone(), waiting))
        };
        let breaker = |settings| {
            cx.shared(&format!("breaker {settings:?}"), || {
                let help = "Whether requests are refused because too many have failed.";
                Ok(Breaker::new(settings, gauge("headwall_upstream_circuit_open", help)?))
            })
        };
        let sticky = |settings| Ok::<_, BoxError>(Sticky::new(settings, cx.name(), &roster.key()?));
        let pool = Arc::new(Pool {
            name: cx.name().into(),
            policy: settings.policy.build()?,
            sticky: settings.sticky.as_ref().map(sticky).transpose()?,
            breaker: settings.breaker.as_ref().map(breaker).transpose()?,
            judge: Judge::new(&settings.passive_health),
            limit: settings.max_connections,
            queue: settings.queue.as_ref().map(queue).transpose()?,
            // A server that comes back is noticed within an interval; longer waits would only keep clients away.
            retry_after: interval.min(Duration::from_secs(10)),
            slow_start: settings.slow_start.map(|time| time.as_std()),
            timeouts: settings.timeouts,
            roster,
            resolver: Resolver::new(&settings.dns),
            members: members.into(),
            snapshot: ArcSwap::default(),
            tasks: parking_lot::Mutex::default(),
            warming: parking_lot::Mutex::default(),
        });
        let hearer: Arc<dyn Hear> = pool.clone();
        pool.roster.audience().join(Arc::downgrade(&hearer));
        pool.renew();
        Ok(Self(pool))
    }

    /// Looks names up and checks every server once, then goes on by itself. What a server is known for already is not
    /// asked again.
    pub(crate) fn first_look(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let pool = self.0.clone();
        async move {
            // Nothing is ever sent: the wait is over when the last one who looks has let go of its end.
            let (looking, mut looked) = mpsc::channel::<()>(1);
            // Told without the lock: a server that is looked at may turn out to be another than it was.
            let watches = pool.members.lock().watches();
            watches.iter().for_each(|watch| watch.start(&looking));
            pool.look_names_up(&looking);
            drop(looking);
            looked.recv().await;
        }
    }
}

#[async_trait]
impl Upstream for Cluster {
    fn timeouts(&self) -> Option<Timeouts> {
        self.0.timeouts
    }

    async fn peer(&self, req: &RequestHead, cx: &mut Context) -> Result<Peer, Unavailable> {
        let pool = &*self.0;
        if let Some(breaker) = &pool.breaker {
            breaker.admit().map_err(|open| too_many(open.reply()))?;
        }
        let Chosen { attempt, cookie } = pool.choose(req, cx).await?;
        let mut peer = attempt.server().peer().clone().with_lease(attempt);
        if let Some(sticky) = &pool.sticky {
            peer = peer.keeping_cookie(sticky.name().clone());
        }
        Ok(match cookie {
            Some(cookie) => peer.with_cookie(cookie),
            None => peer,
        })
    }

    fn has_queue(&self) -> bool {
        self.0.queue.is_some()
    }

    fn finished(&self, attempt: &Attempt<'_>) {
        let pool = &*self.0;
        if let Some(lease) = attempt.lease.and_then(|lease| lease.downcast_ref::<InFlight>()) {
            let server = lease.server();
            pool.policy.finished(server, attempt);
            if pool.judge.as_ref().is_some_and(|judge| judge.sees(server, attempt)) {
                pool.eject(server);
            }
        }
        match pool.breaker.as_ref().map_or(Turned::Not, |breaker| breaker.ended(attempt)) {
            Turned::Not => {}
            Turned::Open => log::warn!("upstream {}: too many attempts fail; nobody is sent", pool.name),
            Turned::Closed => log::info!("upstream {}: attempts succeed again", pool.name),
        }
    }

    fn is_available(&self) -> bool {
        !self.0.snapshot.load().is_empty()
    }

    fn servers(&self) -> Vec<ServerStatus> {
        self.0.servers()
    }

    fn order(&self, server: &str, order: Order) -> Result<(), Disobeyed> {
        self.0.order(server, order)
    }

    /// Servers that another config has too go on being watched by its cluster.
    fn retire(&self) {
        self.0.stop();
        self.0.members.lock().let_go();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.0.stop();
    }
}

// === impl Pool ===

impl Pool {
    /// Chooses a server and begins an attempt there, perhaps after a wait.
    async fn choose(&self, req: &RequestHead, cx: &Context) -> Result<Chosen, Unavailable> {
        let waiting = self.roster.audience().queue();
        // Whoever waits was here first.
        if self.queue.is_none() || !waiting.is_waited_in() {
            match self.choose_now(req, cx) {
                Ok(chosen) => return Ok(chosen),
                Err(Nobody::There) => return Err(self.nobody()),
                Err(Nobody::Free) => {}
            }
        }
        let Some((settings, gauge)) = &self.queue else {
            return Err(too_many(NoPlace::Full.reply(BUSY)));
        };
        let attempt = || match self.choose_now(req, cx) {
            Ok(chosen) => Some(Some(chosen)),
            // There is nothing left to wait for.
            Err(Nobody::There) => Some(None),
            Err(Nobody::Free) => None,
        };
        match waiting.wait(settings, gauge, attempt).await {
            Ok(chosen) => chosen.ok_or_else(|| self.nobody()),
            Err(no_place) => Err(too_many(no_place.reply(settings.retry_after()))),
        }
    }

    fn choose_now(&self, req: &RequestHead, cx: &Context) -> Result<Chosen, Nobody> {
        let choose = || self.snapshot.load().choose(req, cx, self.sticky.as_ref());
        let Some(limit) = self.limit else { return choose() };
        // An attempt that was begun for nothing would tell those who wait of a free place.
        if self.roster.together().load(Ordering::SeqCst) >= limit {
            return Err(Nobody::Free);
        }
        let Chosen { attempt, cookie } = choose()?;
        let attempt = attempt.among(self.roster.together(), limit).ok_or(Nobody::Free)?;
        Ok(Chosen { attempt, cookie })
    }

    fn nobody(&self) -> Unavailable {
        Unavailable::NoHealthyServer { retry_after: self.retry_after }
    }

    /// Makes a new snapshot, and sees to it that there will be another while a server is warming up.
    fn renew(self: &Arc<Self>) {
        let is_warming = {
            // Held until it is stored, so that the last one to look is the last one to store.
            let members = self.members.lock();
            let groups = members.groups();
            let snapshot = Snapshot::new(groups.by_priority, &*self.policy, self.sticky.as_ref());
            self.snapshot.store(snapshot.into());
            groups.is_warming
        };
        let mut warming = self.warming.lock();
        let (true, None, Some(all)) = (is_warming, &*warming, self.slow_start) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let pool = Arc::downgrade(self);
        *warming = Some(runtime.spawn(async move {
            tokio::time::sleep(all / STEPS).await;
            if let Some(pool) = pool.upgrade() {
                pool.warming.lock().take();
                pool.renew();
            }
        }));
    }

    /// Passes a server over that has failed too often.
    fn eject(&self, server: &Arc<Server>) {
        let Some(judge) = &self.judge else { return };
        let all = self.members.lock().names();
        self.roster.referee().eject(server, &all, judge);
    }

    fn stop(&self) {
        for task in self.tasks.lock().drain(..).chain(self.warming.lock().take()) {
            task.abort();
        }
    }
}

impl Hear for Pool {
    fn changed(self: Arc<Self>) {
        self.renew();
    }
}

/// The answer to a request that is one too many.
fn too_many(reply: LocalReply) -> Unavailable {
    Unavailable::Refused(Box::new(reply))
}
