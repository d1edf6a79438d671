//! One question to a server, asked again and again.
//!
//! What a check is, is a trait of Pingora's load-balancing crate; how long one may take and when the next one is due is decided
//! here.

use std::time::Duration;

use headwall_core::{BoxError, Peer, async_trait};
use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck as Check;

use super::at;
use super::complaint::Complaint;
use super::over_grpc::Grpc;
use super::over_http::Http;
use super::settings::HealthCheck;
use crate::{Place, ServerAddress};

/// Asks a server whether it works.
pub(crate) struct Prober {
    check: Box<dyn Check + Send + Sync>,
    interval: Duration,
    interval_down: Duration,
    timeout: Duration,
}

impl Prober {
    /// Checks a server that is spoken to as `peer` is, wherever it turns out to be.
    pub(crate) fn new(settings: &HealthCheck, server: &ServerAddress, peer: &Peer) -> Result<Self, BoxError> {
        if settings.port.is_some() && matches!(server.place, Place::Unix(_)) {
            return Err(
                format!("`{server}` has no ports, so `health_check.port` cannot be one of them").into()
            );
        }
        let timeout = settings.timeout.as_std();
        let check: Box<dyn Check + Send + Sync> = match (&settings.path, &settings.grpc) {
            (Some(path), _) => Box::new(Http::new(path, settings, server, peer)?),
            (None, Some(grpc)) => Box::new(Grpc::new(grpc, settings, server, peer)?),
            (None, None) => Box::new(Opens {
                connector: TransportConnector::new(None),
                peer: peer.for_check(timeout),
                port: settings.port,
            }),
        };
        let interval = settings.interval.as_std();
        let interval_down = settings.interval_down.map_or(interval, |interval| interval.as_std());
        Ok(Self { check, interval, interval_down, timeout })
    }

    /// One check.
    pub(crate) async fn probe(&self, address: &SocketAddr) -> Result<(), Complaint> {
        let backend = Backend { addr: address.clone(), weight: 1, ext: Default::default() };
        match tokio::time::timeout(self.timeout, self.check.check(&backend)).await {
            Ok(result) => result.map_err(Complaint::of),
            Err(_) => Err(Complaint::late(self.timeout)),
        }
    }

    /// The next wait: a tenth more or less, so that servers are not asked in step.
    pub(crate) fn next_wait(&self, is_up: bool) -> Duration {
        let interval = if is_up { self.interval } else { self.interval_down };
        interval.mul_f64(0.9 + fastrand::f64() * 0.2)
    }
}

/// A check that asks for nothing: the server takes a connection, and proves who it is if it speaks TLS.
struct Opens {
    connector: TransportConnector,
    peer: HttpPeer,
    port: Option<u16>,
}

#[async_trait]
impl Check for Opens {
    async fn check(&self, server: &Backend) -> pingora_core::Result<()> {
        self.connector.new_stream(&at(&self.peer, server, self.port)).await.map(drop)
    }

    /// The [`Prober`] counts by itself.
    fn health_threshold(&self, _: bool) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use headwall_core::units;

    use super::*;

    #[test]
    fn waits_differ_and_are_shorter_while_a_server_is_down() {
        let address: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
        let server = address.to_string().parse().unwrap();
        let interval_down = Some(units::Duration::from_secs(1));
        let settings = HealthCheck { interval_down, ..HealthCheck::default() };
        let prober = Prober::new(&settings, &server, &Peer::plain(address)).unwrap();
        let waits = |is_up| (0..100).map(move |_| is_up);
        for wait in waits(true).map(|is_up| prober.next_wait(is_up)) {
            assert!((9.0..=11.0).contains(&wait.as_secs_f64()), "{wait:?} while it is up");
        }
        for wait in waits(false).map(|is_up| prober.next_wait(is_up)) {
            assert!((0.9..=1.1).contains(&wait.as_secs_f64()), "{wait:?} while it is down");
        }
    }
}
