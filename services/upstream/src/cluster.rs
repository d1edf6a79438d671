//! A cluster at work.
//!
//! What a config says of the servers stands here, and who they are; what is known of each stands with the
//! [server](crate::server::Server). The two meet in a [snapshot](snapshot), which requests choose from.

mod members;
mod names;
mod snapshot;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use headwall_core::{
    Attempt, BoxError, Build, Context, Peer, RequestHead, Unavailable, Upstream, async_trait,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::dialect::Dialect;
use crate::policy::{Policies, Policy};
use crate::roster::Roster;
use crate::server::{Hear, InFlight};
use crate::{ClusterSettings, Place};
use members::{Members, Role};
use snapshot::Snapshot;

/// How long clients are told to stay away when there is nobody to ask and no check that would find out.
const UNCHECKED: Duration = Duration::from_secs(2);

/// Servers that stand for one another.
pub(crate) struct Cluster(Arc<Pool>);

/// A cluster, as its tasks know it: they must not keep it alive.
pub(crate) struct Pool {
    name: Arc<str>,
    policy: Arc<dyn Policy>,
    retry_after: Duration,
    roster: Arc<Roster>,
    /// Who the servers are. Requests do not look here.
    members: parking_lot::Mutex<Members>,
    snapshot: ArcSwap<Snapshot>,
    tasks: parking_lot::Mutex<Vec<JoinHandle<()>>>,
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
        let pool = Arc::new(Pool {
            name: cx.name().into(),
            policy: settings.policy.build()?,
            // A server that comes back is noticed within an interval; longer waits would only keep clients away.
            retry_after: interval.min(Duration::from_secs(10)),
            roster,
            members: members.into(),
            snapshot: ArcSwap::default(),
            tasks: parking_lot::Mutex::default(),
        });
        let hearer: Arc<dyn Hear> = pool.clone();
        pool.roster.audience().join(Arc::downgrade(&hearer));
        pool.changed();
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
    async fn peer(&self, req: &RequestHead, cx: &mut Context) -> Result<Peer, Unavailable> {
        let snapshot = self.0.snapshot.load();
        let server = snapshot.pick(req, cx);
        let server = server.ok_or(Unavailable::NoHealthyServer { retry_after: self.0.retry_after })?;
        Ok(server.peer().clone().with_lease(server.begin()))
    }

    fn finished(&self, attempt: &Attempt<'_>) {
        if let Some(lease) = attempt.lease.and_then(|lease| lease.downcast_ref::<InFlight>()) {
            self.0.policy.finished(lease.server(), attempt);
        }
    }

    fn is_available(&self) -> bool {
        !self.0.snapshot.load().is_empty()
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
    fn stop(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

impl Hear for Pool {
    /// Makes a new snapshot.
    fn changed(&self) {
        // Held until it is stored, so that the last one to look is the last one to store.
        let members = self.members.lock();
        self.snapshot.store(Snapshot::new(members.groups(), &*self.policy).into());
    }
}
