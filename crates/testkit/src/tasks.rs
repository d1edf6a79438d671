//! The background tasks of one fixture, which end with it: a test must not leave a listener or a connection to the next.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinSet;

/// A set of tasks that is stopped as one. Clones are the same set; tasks may spawn into their own set.
///
/// The owner must call [`Tasks::stop`] when it is dropped: the tasks hold clones, so the set never falls by itself.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    /// `None` once stopped: a task that is spawned after that is dropped at once.
    running: Arc<Mutex<Option<JoinSet<()>>>>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { running: Arc::new(Mutex::new(Some(JoinSet::new()))) }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = &mut *self.running.lock() {
            // Without this the set would keep the result of every connection there ever was.
            while running.try_join_next().is_some() {}
            running.spawn(task);
        }
    }

    /// Aborts every task; each is dropped at its next await point.
    pub(crate) fn stop(&self) {
        drop(self.running.lock().take());
    }

    /// Aborts every task and waits until each is dropped, so that its sockets are closed.
    pub(crate) async fn stopped(&self) {
        let running = self.running.lock().take();
        if let Some(mut running) = running {
            running.shutdown().await;
        }
    }
}

/// hyper has the streams of an HTTP/2 connection run by an executor; here they end with the fixture.
impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(async move { drop(task.await) });
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::mpsc;

    use super::*;

    /// A task that never ends by itself, and a receiver that ends when the task is dropped.
    fn endless(tasks: &Tasks) -> mpsc::Receiver<()> {
        let (held, ended) = mpsc::channel(1);
        tasks.spawn(async move {
            pending::<()>().await;
            drop(held);
        });
        ended
    }

    #[tokio::test]
    async fn stopped_returns_when_every_task_is_dropped() {
        let tasks = Tasks::new();
        let mut ended = endless(&tasks);
        tokio::task::yield_now().await;
        tasks.stopped().await;
        assert_eq!(ended.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[tokio::test]
    async fn stop_needs_no_await() {
        let tasks = Tasks::new();
        let mut ended = endless(&tasks);
        tasks.stop();
        assert_eq!(ended.recv().await, None);
    }

    #[tokio::test]
    async fn nothing_is_spawned_after_the_stop() {
        let tasks = Tasks::new();
        tasks.stop();
        let mut ended = endless(&tasks);
        assert_eq!(ended.recv().await, None);
    }
}
