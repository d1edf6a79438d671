//! A certificate that is taken care of, and what came of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use headwall_acme::{Acme, Clock, Event, Issued, LockPace, Managed, Pace, RetrySchedule, Wanted};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A certificate that is taken care of, and what came of it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub managed: Managed,
    issued: UnboundedReceiver<Issued>,
    events: UnboundedReceiver<Event>,
}

/// The machine's clock, put forward by the test.
#[derive(Debug)]
pub(crate) struct TestClock {
    seconds: AtomicI64,
    random: Mutex<f64>,
}

impl Watched {
    pub(crate) fn start(acme: &Acme, wanted: Wanted) -> Self {
        let (deliver, issued) = unbounded_channel();
        let (tell, events) = unbounded_channel();
        let managed = acme.manage(
            wanted,
            move |issued| drop(deliver.send(issued)),
            move |event| drop(tell.send(event.clone())),
        );
        Self { managed, issued, events }
    }

    /// The next certificate.
    pub(crate) async fn issued(&mut self) -> Issued {
        let issued = tokio::time::timeout(PATIENCE, self.issued.recv()).await;
        let issued = issued.unwrap_or_else(|_| panic!("no certificate: {:?}", self.managed.status()));
        issued.unwrap()
    }

    /// What was delivered already.
    pub(crate) fn delivered(&mut self) -> Option<Issued> {
        self.issued.try_recv().ok()
    }

    /// The next event for which `pick` has something.
    pub(crate) async fn event<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let event = async {
            loop {
                if let Some(picked) = pick(&self.events.recv().await.unwrap()) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(PATIENCE, event).await.expect("the event comes")
    }

    /// Whether an attempt has failed that nobody has asked for.
    pub(crate) fn has_failed(&mut self) -> bool {
        std::iter::from_fn(|| self.events.try_recv().ok()).any(|event| matches!(event, Event::Failed { .. }))
    }

    /// The text of the next failure.
    pub(crate) async fn failure(&mut self) -> String {
        self.event(|event| match event {
            Event::Failed { error, .. } => Some(error.clone()),
            Event::Issued { .. } | Event::RenewalScheduled { .. } => None,
        })
        .await
    }
}

impl TestClock {
    /// A clock that draws `random`, which makes HTTP-01 the first challenge from 0.5 on.
    pub(crate) fn drawing(random: f64) -> Arc<Self> {
        Arc::new(Self { seconds: AtomicI64::new(0), random: Mutex::new(random) })
    }

    /// Puts the clock forward so far that it shows `time`.
    pub(crate) fn put_forward_to(&self, time: Timestamp) {
        self.seconds.store(time.as_second() - Timestamp::now().as_second(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + Duration::from_secs(self.seconds.load(Ordering::SeqCst).try_into().unwrap())
    }

    fn random(&self) -> f64 {
        *self.random.lock()
    }
}

/// Times for a test: everything soon.
pub(crate) fn pace(clock: &Arc<TestClock>) -> Pace {
    let retry = Duration::from_millis(300);
    Pace {
        clock: clock.clone(),
        retry: RetrySchedule { first: vec![], then: retry, finally: retry },
        request_timeout: Duration::from_secs(10),
        order_timeout: Duration::from_secs(30),
        order_poll: Duration::from_millis(30),
        storage_check: Duration::from_millis(50),
        lock: LockPace {
            refresh: Duration::from_millis(500),
            stale: Duration::from_secs(10),
            poll: Duration::from_millis(50),
        },
    }
}

/// An [`Acme`] that tries HTTP-01 first, with times for a test.
pub(crate) fn acme(storage: &Path) -> Acme {
    Acme::open_with(storage, pace(&TestClock::drawing(0.5))).unwrap()
}
