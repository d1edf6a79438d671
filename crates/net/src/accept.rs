//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use headwall_core::client::TrustedProxies;
use headwall_core::connection::Connection;
use headwall_core::front::{Refusals, Rules};
use headwall_core::{BoxError, Metrics};
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::Stream;
use pingora_core::services::listening::Service;
use tokio::sync::watch;

use crate::arrival::Arrival;
use crate::connections::Permit;
use crate::handshake::{Failure, HandshakeMetrics, Secure, Summary};
use crate::{Connections, Listener, Transport, requests};

/// How long accepting pauses when the process is out of file descriptors.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// What all listeners of a server have in common.
#[derive(Debug)]
pub struct Frontend {
    /// The open connections.
    pub connections: Connections,
    /// What a connection may do. A change is for connections accepted from then on.
    pub limits: ArcSwap<Limits>,
    /// Sites and certificates of the listeners that speak TLS. A change is for handshakes from then on.
    pub secure: ArcSwap<Secure>,
    /// Proxies that connect on behalf of many clients: no cap for one address is theirs.
    pub trusted_proxies: ArcSwap<TrustedProxies>,
    /// Who answers and logs requests whose head is refused.
    pub(crate) refusals: Arc<dyn Refusals>,
    /// Handshakes are counted here.
    pub handshakes: HandshakeMetrics,
    /// Those that failed and are not in the log yet.
    failures: Summary,
    /// Turns true when the server drains: responses then say `Connection: close`.
    pub draining: watch::Receiver<bool>,
}

impl Frontend {
    /// Nothing is open yet, and nobody speaks TLS.
    pub fn new(
        metrics: &Metrics,
        limits: Limits,
        refusals: Arc<dyn Refusals>,
        draining: watch::Receiver<bool>,
    ) -> Result<Self, BoxError> {
        Ok(Self {
            connections: Connections::new(metrics.connections()),
            limits: ArcSwap::from_pointee(limits),
            secure: ArcSwap::default(),
            trusted_proxies: ArcSwap::default(),
            refusals,
            handshakes: HandshakeMetrics::new(metrics)?,
            failures: Summary::new(),
            draining,
        })
    }

    /// Counts a connection as this client's, if it may have one more.
    pub(crate) fn may_come(&self, permit: &mut Permit, client: SocketAddr, limits: &Limits) -> bool {
        // The other end of a unix socket is a proxy or a program on this machine.
        client.port() == 0
            || self.trusted_proxies.load().trusts(client.ip())
            || permit.belongs_to(client.ip(), limits)
    }

    /// Takes note of a connection on which there will be no request.
    pub(crate) fn refused(&self, client: SocketAddr, failure: &Failure) {
        self.handshakes.failed(failure);
        self.failures.failed(client.ip().to_canonical(), failure, Instant::now());
    }
}

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a whole request head, from its first byte; and for the first byte of a new connection. 10 s by default.
    pub header_timeout: Duration,
    /// For the next request of a connection. 75 s by default.
    pub keepalive_timeout: Duration,
    /// For everything before HTTP: the PROXY header and the TLS handshake. 10 s by default.
    pub handshake_timeout: Duration,
    /// Connections at the same time, over all listeners. 10,000 by default.
    pub max_connections: usize,
    /// Connections of one address at the same time: an IPv4 address, or an IPv6 /64. 1,000 by default.
    pub max_connections_per_address: usize,
    /// The time of waiting over which the pace of a request's body is counted. 30 s by default.
    pub body_timeout: Duration,
    /// The time of waiting over which the pace of a response is counted. 60 s by default.
    pub send_timeout: Duration,
    /// Bytes a second that a client has to send while its body is waited for. 256 by default; 0 is any.
    pub min_body_rate: u64,
    /// Bytes a second that a client has to take while a response waits for it. 256 by default; 0 is any.
    pub min_send_rate: u64,
    /// How large heads may be.
    pub head: Rules,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(75),
            handshake_timeout: Duration::from_secs(10),
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            body_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(60),
            min_body_rate: 256,
            min_send_rate: 256,
            head: Rules::default(),
        }
    }
}

/// Accepts connections and has `app` serve them, for as long as this future is polled. Dropping it closes the listener
/// and leaves the connections alone.
pub async fn accept<A>(
    listener: Listener,
    transport: Arc<ArcSwap<Transport>>,
    app: Arc<A>,
    frontend: Arc<Frontend>,
) where
    A: HttpServerApp + Send + Sync + 'static,
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
        let transport = transport.load();
        // A refused connection is closed by dropping its socket.
        let Some(mut permit) = frontend.connections.admit(limits.max_connections) else {
            continue;
        };
        // Who announces its clients is not counted, they are.
        if !transport.is_announced_by(peer.ip()) && !frontend.may_come(&mut permit, peer, &limits) {
            continue;
        }
        let refusals = frontend.refusals.clone();
        let arrival = Arrival { socket, peer, limits, refusals, permit };
        let (app, draining) = (app.clone(), frontend.draining.clone());
        let rested = frontend.connections.rested();
        if transport.is_plain() {
            let stream = arrival.plain();
            frontend.connections.serve(requests::serve(stream, app, draining, rested));
        } else {
            let (transport, front) = (Arc::clone(&transport), frontend.clone());
            frontend.connections.serve(async move {
                let Some(stream) = arrival.negotiate(&transport, &front).await else { return };
                drop((transport, front));
                match Connection::behind(&stream).filter(|connection| connection.is_multiplexed()) {
                    // Boxed, because it is large, and those that it is not for would have to have room for it.
                    Some(connection) => Box::pin(serve_frames(stream, connection, app, draining)).await,
                    None => requests::serve(stream, app, draining, rested).await,
                }
            });
        }
    }
}

/// Serves a connection on which several requests may come at a time. Its client is told to open no more (GOAWAY) when
/// the server drains, and when it has had as many as it may have.
async fn serve_frames<A>(
    stream: Stream,
    connection: Arc<Connection>,
    app: Arc<A>,
    mut draining: watch::Receiver<bool>,
) where
    A: HttpServerApp + Send + Sync + 'static,
{
    let (leave, leaving) = watch::channel(false);
    let mut serving = pin!(Service::<A>::handle_event(stream, app, leaving));
    tokio::select! {
        () = &mut serving => return,
        () = connection.enough() => {}
        // Without a sender the server is gone.
        _ = draining.wait_for(|draining| *draining) => {}
    }
    leave.send_replace(true);
    serving.await;
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
