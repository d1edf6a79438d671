//! An origin that speaks bytes, for what no HTTP library would send: garbage, half heads, early ends, resets.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::deadline::patiently;
use crate::listen::{ANY_PORT, Place};
use crate::tasks::Tasks;
use crate::wire::Wire;

/// A TCP server that runs a script on each connection. It stops when it is dropped.
///
/// ```
/// # use headwall_testkit::{Client, RawOrigin, Wire};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let origin = RawOrigin::start(async |mut wire: Wire| {
///     wire.read_head().await;
///     wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
/// })
/// .await;
///
/// let failed = Client::to(origin.address()).get("/").try_send().await.unwrap_err();
/// assert_eq!(failed.so_far().unwrap().text(), "half");
/// # }
/// ```
#[derive(Debug)]
pub struct RawOrigin {
    place: Place,
    connections: Arc<watch::Sender<usize>>,
    tasks: Tasks,
}

impl RawOrigin {
    /// Runs `script` on each connection that is accepted. The connection closes when the script returns; a socket that is
    /// closed with unread bytes is reset by the kernel, so a script that wants a clean end reads the request first.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(Wire) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let place = Place::take(ANY_PORT);
        let listener = place.listen();
        let connections = Arc::new(watch::Sender::new(0));
        let tasks = Tasks::new();
        let (accepted, scripts) = (Arc::clone(&connections), tasks.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.send_modify(|count| *count += 1);
                scripts.spawn(script(Wire::new(stream)));
            }
        });
        Self { place, connections, tasks }
    }

    /// An origin that accepts connections and never says a word.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn silent() -> Self {
        Self::start(|wire| async move {
            let _held = wire;
            std::future::pending().await
        })
        .await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.address()
    }

    /// How many connections have been accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Waits until so many connections have been accepted in total.
    ///
    /// # Panics
    ///
    /// When they have not been within [`PATIENCE`](crate::PATIENCE).
    pub async fn reached(&self, connections: usize) {
        let mut count = self.connections.subscribe();
        patiently(format!("connection number {connections} to reach the raw origin"), async {
            // `self` holds the sender, so this cannot end with an error.
            drop(count.wait_for(|count| *count >= connections).await);
        })
        .await;
    }

    /// Closes the listener and every connection; when this returns, connections are refused.
    pub async fn stop(&self) {
        self.tasks.stopped().await;
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Failed};

    #[tokio::test]
    async fn faults_reach_the_client_as_what_they_are() {
        let garbage = RawOrigin::start(async |mut wire: Wire| {
            wire.read_head().await;
            wire.write("I am no HTTP\r\n\r\n").await;
        })
        .await;
        let failed = Client::to(garbage.address()).get("/").try_send().await.unwrap_err();
        assert!(matches!(failed, Failed::NoReply { .. }), "garbage: {failed}");

        let half_head = RawOrigin::start(async |mut wire: Wire| {
            wire.read_head().await;
            wire.write("HTTP/1.1 200 OK\r\ncont").await;
        })
        .await;
        let failed = Client::to(half_head.address()).get("/").try_send().await.unwrap_err();
        assert!(matches!(failed, Failed::NoReply { .. }), "half a head: {failed}");

        let reset = RawOrigin::start(async |mut wire: Wire| {
            wire.read_head().await;
            wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
            wire.reset();
        })
        .await;
        let failed = Client::to(reset.address()).get("/").try_send().await.unwrap_err();
        assert!(!matches!(failed, Failed::Connect { .. }), "a reset: {failed}");
    }

    #[tokio::test]
    async fn a_silent_origin_is_connected_to_and_stops() {
        let origin = RawOrigin::silent().await;
        let mut wire = Wire::connect(origin.address()).await;
        origin.reached(1).await;
        assert_eq!(origin.connections(), 1);
        origin.stop().await;
        assert_eq!(wire.read_to_end().await, "");
        let failed = Client::to(origin.address()).get("/").try_send().await.unwrap_err();
        assert!(matches!(failed, Failed::Connect { .. }), "{failed}");
    }
}
