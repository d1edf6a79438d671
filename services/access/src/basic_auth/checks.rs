//! Where passwords are checked: off the threads that serve requests, and only so many at a time.
//!
//! A check is a tenth of a second of a core and up to megabytes of memory. Without a bound, a hundred guesses a second
//! would be an outage; with one, they wait for each other, and beyond a length of the queue they are sent away.

use std::sync::Arc;
use std::thread;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many may wait for each one that is being checked.
const WAITING: usize = 32;

/// Checks of passwords.
pub(super) struct Checks {
    running: Arc<Semaphore>,
    /// One permit for each that runs or waits.
    admitted: Arc<Semaphore>,
}

/// Too many are waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Checks {
    /// As many at a time as half of this machine has cores, at least one.
    pub(super) fn of_this_machine() -> Self {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let at_once = (cores / 2).max(1);
        Self::new(at_once, at_once * WAITING)
    }

    fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(at_once + waiting)),
        }
    }

    /// Runs a check when it has its turn.
    pub(super) async fn run(&self, check: impl FnOnce() -> bool + Send + 'static) -> Result<bool, Busy> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| Busy)?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| Busy)?;
        // The places are held by the work and not by the request, which may be gone before the work is done.
        let work = spawn_blocking(move || {
            let is_right = check();
            drop((running, admitted));
            is_right
        });
        // A check that panics has not found the password right.
        Ok(work.await.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::JoinHandle;

    use super::*;

    /// A check that has begun, and goes on until it is told.
    async fn begun(checks: &Arc<Checks>) -> (JoinHandle<Result<bool, Busy>>, mpsc::Sender<()>) {
        let (go, wait) = mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let checks = checks.clone();
        let running = tokio::spawn(async move {
            let check = move || {
                started.send(()).unwrap();
                wait.recv().is_ok()
            };
            checks.run(check).await
        });
        has_started.await.unwrap();
        (running, go)
    }

    #[tokio::test]
    async fn beyond_the_queue_a_check_is_sent_away() {
        let checks = Arc::new(Checks::new(1, 1));
        let (first, go) = begun(&checks).await;
        let second = tokio::spawn({
            let checks = checks.clone();
            async move { checks.run(|| false).await }
        });
        while checks.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(checks.run(|| true).await, Err(Busy), "one runs, one waits");
        go.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(true), Ok(false)));
        assert_eq!(checks.run(|| true).await, Ok(true), "there is room again");
    }

    #[tokio::test]
    async fn a_request_that_leaves_does_not_free_the_place_of_its_check() {
        let checks = Arc::new(Checks::new(1, 0));
        let (gone, go) = begun(&checks).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        assert_eq!(checks.run(|| true).await, Err(Busy), "the check goes on");
        go.send(()).unwrap();
        while checks.admitted.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(checks.run(|| true).await, Ok(true));
    }
}
