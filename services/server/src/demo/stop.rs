//! The wish to end, as everything that lasts longer than one answer hears it.

use tokio::sync::watch;

/// Tells when the demo is to stop. As long as one of these is alive, the demo waits for its holder.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(super) fn new(stopping: &watch::Sender<bool>) -> Self {
        Self(stopping.subscribe())
    }

    /// Waits until the demo is to stop. One whose `serve` was dropped has stopped as well.
    pub(super) async fn requested(&mut self) {
        drop(self.0.wait_for(|stopping| *stopping).await);
    }
}
