//! Active health checks: one question to a server, and what follows from the answers.
//!
//! What an HTTP check is, is Pingora's load-balancing crate's business; how long it may take and what follows from it is
//! decided here.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use headwall_core::error::cause_of;
use headwall_core::{BoxError, Metrics, Peer, async_trait};
use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck as Check, HttpHealthCheck};
use prometheus::IntCounter;

use crate::{HealthCheck, ServerAddress};

/// Asks a server whether it works.
pub(crate) struct Prober {
    check: Box<dyn Check + Send + Sync>,
    interval: Duration,
    timeout: Duration,
    fall: u32,
    rise: u32,
}

/// What the answers of one server were.
#[derive(Debug)]
pub(crate) struct Record {
    /// Results in a row that speak against the present state.
    against: AtomicU8,
    /// Whether there has been a result yet.
    known: AtomicBool,
    passed: IntCounter,
    failed: IntCounter,
}

/// What a result has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Up,
    Down,
}

impl Prober {
    /// Checks a server that is spoken to as `peer` is, wherever it turns out to be.
    pub(crate) fn new(settings: &HealthCheck, server: &ServerAddress, peer: &Peer) -> Result<Self, BoxError> {
        let timeout = settings.timeout.as_std();
        let peer = peer.for_check(timeout);
        let check: Box<dyn Check + Send + Sync> = match &settings.path {
            Some(path) => Box::new(http(path, settings, server, peer)?),
            None => Box::new(Opens { connector: TransportConnector::new(None), peer }),
        };
        Ok(Self {
            check,
            interval: settings.interval.as_std(),
            timeout,
            fall: settings.fall,
            rise: settings.rise,
        })
    }

    /// One check. The error is the sentence for the log.
    pub(crate) async fn probe(&self, address: &SocketAddr) -> Result<(), String> {
        let backend = Backend { addr: address.clone(), weight: 1, ext: Default::default() };
        match tokio::time::timeout(self.timeout, self.check.check(&backend)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(cause_of(&error)),
            Err(_) => Err(format!("no answer within {:?}", self.timeout)),
        }
    }

    /// The next wait: a tenth more or less, so that servers are not asked in step.
    pub(crate) fn next_wait(&self) -> Duration {
        self.interval.mul_f64(0.9 + fastrand::f64() * 0.2)
    }
}

/// A check that asks for nothing: the server takes a connection, and proves who it is if it speaks TLS.
struct Opens {
    connector: TransportConnector,
    peer: HttpPeer,
}

#[async_trait]
impl Check for Opens {
    async fn check(&self, server: &Backend) -> pingora_core::Result<()> {
        let mut peer = self.peer.clone();
        peer._address = server.addr.clone();
        self.connector.new_stream(&peer).await.map(drop)
    }

    /// The [`Prober`] counts by itself.
    fn health_threshold(&self, _: bool) -> usize {
        1
    }
}

fn http(
    path: &str,
    settings: &HealthCheck,
    server: &ServerAddress,
    peer: HttpPeer,
) -> Result<HttpHealthCheck, BoxError> {
    let host = match &settings.host {
        Some(host) => host.clone(),
        None if peer.is_tls() && server.host().as_ref() != Some(&peer.sni) => peer.sni.clone(),
        None => server.authority(),
    };
    // HTTP/2 has scheme and host in the target (RFC 9113, 8.3.1); of a whole URL HTTP/1.1 sends the path.
    let target = format!("{}://{host}{path}", server.scheme).parse()?;
    let mut check = HttpHealthCheck::new(&host, false);
    check.req.set_uri(target);
    check
        .req
        .insert_header("User-Agent", concat!("headwall/", env!("CARGO_PKG_VERSION"), " (health check)"))?;
    check.peer_template = peer;
    let expected = settings.expect.clone();
    check.validator = Some(Box::new(move |res| {
        let status = res.status.as_u16();
        let healthy =
            if expected.is_empty() { (200..400).contains(&status) } else { expected.contains(&status) };
        if healthy {
            return Ok(());
        }
        pingora_core::Error::e_explain(
            pingora_core::ErrorType::HTTPStatus(status),
            format!("status {status}"),
        )
    }));
    Ok(check)
}

impl Record {
    pub(crate) fn new([upstream, server]: [&str; 2], metrics: &Metrics) -> Result<Self, BoxError> {
        let checks = metrics.counters(
            "headwall_upstream_health_checks_total",
            "Active health checks, by result.",
            &["upstream", "server", "result"],
        )?;
        Ok(Self {
            against: AtomicU8::new(0),
            known: AtomicBool::new(false),
            passed: checks.with_label_values(&[upstream, server, "passed"]),
            failed: checks.with_label_values(&[upstream, server, "failed"]),
        })
    }

    /// Takes a result in, about a server that was taken to be up or not.
    pub(crate) fn judge(&self, prober: &Prober, was_up: bool, passed: bool) -> Change {
        if passed { &self.passed } else { &self.failed }.inc();
        // The first result decides by itself: nothing is known that it would have to outweigh.
        let is_first = !self.known.swap(true, Ordering::Relaxed);
        if was_up == passed {
            self.against.store(0, Ordering::Relaxed);
            return Change::None;
        }
        let against = u32::from(self.against.fetch_add(1, Ordering::Relaxed)) + 1;
        let needed = if is_first {
            1
        } else if passed {
            prober.rise
        } else {
            prober.fall
        };
        if against < needed {
            return Change::None;
        }
        self.against.store(0, Ordering::Relaxed);
        if passed { Change::Up } else { Change::Down }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prober() -> Prober {
        let address: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
        let server = address.to_string().parse().unwrap();
        Prober::new(&HealthCheck::default(), &server, &Peer::plain(address)).unwrap()
    }

    fn changes(results: &[bool]) -> Vec<Change> {
        let prober = prober();
        let record = Record::new(["app", "127.0.0.1:1"], &Metrics::new().unwrap()).unwrap();
        let mut up = true;
        let judge = |&passed: &bool| {
            let change = record.judge(&prober, up, passed);
            up = match change {
                Change::None => up,
                Change::Up => true,
                Change::Down => false,
            };
            change
        };
        results.iter().map(judge).collect()
    }

    #[test]
    fn three_failures_in_a_row_take_a_server_down_and_two_successes_bring_it_back() {
        use Change::{Down, None, Up};
        let results = [true, false, false, true, false, false, false, false, true, false, true, true];
        let expected = [None, None, None, None, None, None, Down, None, None, None, None, Up];
        assert_eq!(changes(&results), expected);
    }

    #[test]
    fn the_first_result_decides_by_itself() {
        assert_eq!(changes(&[false, true, true]), [Change::Down, Change::None, Change::Up]);
    }
}
