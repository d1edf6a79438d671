//! The accept loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::apps::ServerApp;
use pingora_core::services::listening::Service;
use tokio::sync::watch;

use crate::{Conn, Connections, Listener};

/// How long accepting pauses when the process is out of file descriptors.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// What all listeners of a server have in common.
#[derive(Debug)]
pub struct Frontend {
    /// The open connections.
    pub connections: Connections,
    /// What a connection may do. A change is for connections accepted from then on.
    pub limits: ArcSwap<Limits>,
    /// Turns true when the server drains: responses then say `Connection: close`.
    pub draining: watch::Receiver<bool>,
}

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a whole request head, from its first byte; and for the first byte of a new connection. 10 s by default.
    pub header_timeout: Duration,
    /// For the next request of a connection. 75 s by default.
    pub keepalive_timeout: Duration,
    /// Connections at the same time, over all listeners. 10,000 by default.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(75),
            max_connections: 10_000,
        }
    }
}

/// Accepts connections and has `app` serve them, for as long as this future is polled. Dropping it closes the listener
/// and leaves the connections alone.
pub async fn accept<A>(listener: Listener, app: Arc<A>, frontend: Arc<Frontend>)
where
    A: ServerApp + Send + Sync + 'static,
{
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                recover(&listener, &error).await;
                continue;
            }
        };
        let limits = **frontend.limits.load();
        // A refused connection is closed by dropping its socket.
        let Some(permit) = frontend.connections.admit(limits.max_connections) else {
            continue;
        };
        let conn = Conn::new(socket, peer, limits, permit);
        let (app, draining) = (app.clone(), frontend.draining.clone());
        frontend.connections.serve(Service::<A>::handle_event(Box::new(conn), app, draining));
    }
}

/// An accept that fails concerns one connection, unless the process has run out of something.
async fn recover(listener: &Listener, error: &io::Error) {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    if matches!(error.raw_os_error(), Some(ENFILE | EMFILE)) {
        log::warn!(
            "{}: out of file descriptors; raise LimitNOFILE or lower max_connections",
            listener.address()
        );
        tokio::time::sleep(OUT_OF_FILES).await;
    } else {
        log::debug!("{}: a connection was gone before it was accepted: {error}", listener.address());
    }
}
