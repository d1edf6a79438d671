//! Prometheus metrics.
//!
//! One registry, owned by whoever builds the server and handed down. Every handle is resolved when config is
//! compiled, so that a request adds to numbers and looks nothing up. Label values come from config or from code,
//! never from a request: there is no path, host or client address in them, and a method that is not one of the usual
//! ones counts as `_OTHER`.

mod counts;
mod process;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::front::Refusal;
use crate::{Attempt, BoxError};
use counts::{Counts, RouteCollector};

/// Bounds of the duration histograms, in seconds: those of the OpenTelemetry convention for HTTP, and a minute for
/// answers that are thought up token by token.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 60.0];

/// The metrics of one server. Cloning gives the same ones.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

struct Families {
    registry: Registry,
    /// Families by name, so that a module which is built again at a reload finds the ones it made before.
    known: Mutex<BTreeMap<String, Box<dyn Any + Send + Sync>>>,
    routes: RouteCollector,
    duration: HistogramVec,
    first_byte: HistogramVec,
    body_bytes: IntCounterVec,
    in_flight: IntGaugeVec,
    attempts: IntCounterVec,
    upstream_first_byte: HistogramVec,
    retries: IntCounterVec,
    connections: ConnectionMetrics,
    websockets: WebSocketMetrics,
    log_dropped: IntCounter,
}

/// The handles of one route.
pub(crate) struct RouteMetrics {
    pub(crate) counts: Arc<Counts>,
    pub(crate) duration: Histogram,
    pub(crate) first_byte: Histogram,
    pub(crate) received: IntCounter,
    pub(crate) sent: IntCounter,
    pub(crate) in_flight: IntGauge,
}

/// The handles of one upstream.
pub(crate) struct UpstreamMetrics {
    ok: IntCounter,
    server_error: IntCounter,
    failed: IntCounter,
    abandoned: IntCounter,
    first_byte: Histogram,
    retries: IntCounter,
    retries_refused: IntCounter,
}

/// Client connections, counted by the accept loop.
#[derive(Clone, Debug)]
pub struct ConnectionMetrics {
    /// Open now.
    pub open: IntGauge,
    /// Accepted since the start.
    pub accepted: IntCounter,
    /// Closed at once because the server was full.
    pub refused: IntCounter,
    /// Closed at once because the client's address had as many as it may have.
    pub refused_of_address: IntCounter,
    /// Closed because a request's head was not complete in time.
    pub header_timeouts: IntCounter,
    /// Requests that were refused before there was a gateway to ask, by reason.
    pub requests_refused: IntCounterVec,
    /// Streams and connections of HTTP/2 that were ended with an error, by kind and by the error's name.
    pub http2_errors: IntCounterVec,
}

/// Tunnels.
#[derive(Clone, Debug)]
pub(crate) struct WebSocketMetrics {
    pub(crate) open: IntGauge,
    pub(crate) opened: IntCounter,
    pub(crate) closed: IntCounterVec,
    pub(crate) received: IntCounter,
    pub(crate) sent: IntCounter,
}

// === impl Metrics ===

impl Metrics {
    /// All families of the framework, in a registry of their own.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let labels = &["site", "route"];
        let routes = RouteCollector::new()?;
        registry.register(Box::new(routes.clone()))?;
        registry.register(Box::new(process::ProcessCollector::new()?))?;
        let counters = |name, help, labels: &[&str]| {
            added(&registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let counter = |name, help| added(&registry, IntCounter::new(name, help)?);
        let gauge = |name, help| added(&registry, IntGauge::new(name, help)?);
        let seconds = |name, help, labels: &[&str]| {
            let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
            added(&registry, HistogramVec::new(opts, labels)?)
        };

        let build = IntGaugeVec::new(
            Opts::new("headwall_build_info", "Which Headwall this is; always 1."),
            &["version"],
        )?;
        added(&registry, build)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);

        let bytes = counters(
            "headwall_websocket_bytes_total",
            "Bytes carried by tunnels, by direction as seen from the client.",
            &["direction"],
        )?;
        let body_bytes = counters(
            "headwall_body_bytes_total",
            "Bytes of request and response bodies, as seen from the client.",
            &["site", "route", "direction"],
        )?;
        let requests_refused = counters(
            "headwall_requests_refused_total",
            "Requests whose head was refused before any site was asked, by reason.",
            &["reason"],
        )?;
        // All words are known, and a rate wants to begin at zero.
        for refusal in Refusal::ALL {
            requests_refused.with_label_values(&[refusal.reason()]);
        }
        let in_flight = Opts::new("headwall_requests_in_flight", "Requests that are being served.");
        let families = Families {
            routes,
            duration: seconds(
                "headwall_request_duration_seconds",
                "From the last byte of a request's head to the end of its response.",
                labels,
            )?,
            first_byte: seconds(
                "headwall_response_first_byte_seconds",
                "From the last byte of a request's head to the first byte of its response.",
                labels,
            )?,
            body_bytes,
            in_flight: added(&registry, IntGaugeVec::new(in_flight, labels)?)?,
            attempts: counters(
                "headwall_upstream_requests_total",
                "Attempts made at an upstream: ok, server_error (a 5xx answer), failed (no whole answer) or abandoned (the client left).",
                &["upstream", "outcome"],
            )?,
            upstream_first_byte: seconds(
                "headwall_upstream_first_byte_seconds",
                "From the choice of a server to the first byte of its answer.",
                &["upstream"],
            )?,
            retries: counters(
                "headwall_upstream_retries_total",
                "Further attempts that were called for: made, or refused because the retry budget was spent.",
                &["upstream", "result"],
            )?,
            connections: ConnectionMetrics {
                open: gauge("headwall_connections_open", "Client connections that are open.")?,
                accepted: counter(
                    "headwall_connections_accepted_total",
                    "Client connections that were accepted.",
                )?,
                refused: counter(
                    "headwall_connections_refused_total",
                    "Client connections that were closed at once because max_connections was reached.",
                )?,
                refused_of_address: counter(
                    "headwall_connections_refused_by_address_total",
                    "Client connections that were closed at once because their address had as many as it may have.",
                )?,
                header_timeouts: counter(
                    "headwall_header_timeouts_total",
                    "Connections closed because a request's head was not complete in time.",
                )?,
                requests_refused,
                http2_errors: counters(
                    "headwall_http2_errors_total",
                    "Streams and connections of HTTP/2 that were ended with an error of the protocol, by its name in RFC 9113.",
                    &["kind", "reason"],
                )?,
            },
            websockets: WebSocketMetrics {
                open: gauge("headwall_websockets_open", "Tunnels that are open.")?,
                opened: counter("headwall_websockets_opened_total", "Tunnels that were opened.")?,
                closed: counters(
                    "headwall_websockets_closed_total",
                    "Tunnels that have ended, by reason.",
                    &["reason"],
                )?,
                received: bytes.with_label_values(&["received"]),
                sent: bytes.with_label_values(&["sent"]),
            },
            log_dropped: counter(
                "headwall_access_log_dropped_total",
                "Lines that were dropped because the access log could not be written fast enough.",
            )?,
            known: Mutex::default(),
            registry,
        };
        Ok(Self(Arc::new(families)))
    }

    /// The registry, to add collectors of one's own.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Everything in the text format of Prometheus, version 0.0.4.
    pub fn render(&self) -> Result<String, BoxError> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.registry.gather(), &mut text)?;
        Ok(String::from_utf8(text)?)
    }

    /// A family of counters, registered the first time it is asked for.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, BoxError> {
        self.family(name, || IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// A family of gauges, registered the first time it is asked for.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, BoxError> {
        self.family(name, || IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// A family of histograms of seconds, registered the first time it is asked for.
    pub fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, BoxError> {
        let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.family(name, || HistogramVec::new(opts, labels))
    }

    /// A collector of one's own, for numbers that are read when somebody asks; registered the first time that it is
    /// asked for under this name. It has to outlive what it tells about, because families survive a reload.
    pub fn collector<T>(
        &self,
        name: &str,
        make: impl FnOnce() -> prometheus::Result<T>,
    ) -> Result<T, BoxError>
    where
        T: Collector + Clone + Send + Sync + 'static,
    {
        self.family(name, make)
    }

    /// What the accept loop counts.
    pub fn connections(&self) -> ConnectionMetrics {
        self.0.connections.clone()
    }

    pub(crate) fn websockets(&self) -> &WebSocketMetrics {
        &self.0.websockets
    }

    pub(crate) fn log_dropped(&self) -> IntCounter {
        self.0.log_dropped.clone()
    }

    pub(crate) fn route(&self, site: &str, route: &str) -> Arc<RouteMetrics> {
        let families = &self.0;
        let labels = &[site, route];
        let bytes = |direction| families.body_bytes.with_label_values(&[site, route, direction]);
        Arc::new(RouteMetrics {
            counts: families.routes.counts(site, route),
            duration: families.duration.with_label_values(labels),
            first_byte: families.first_byte.with_label_values(labels),
            received: bytes("received"),
            sent: bytes("sent"),
            in_flight: families.in_flight.with_label_values(labels),
        })
    }

    pub(crate) fn upstream(&self, name: &str) -> UpstreamMetrics {
        let outcome = |outcome| self.0.attempts.with_label_values(&[name, outcome]);
        let retries = |result| self.0.retries.with_label_values(&[name, result]);
        UpstreamMetrics {
            ok: outcome("ok"),
            server_error: outcome("server_error"),
            failed: outcome("failed"),
            abandoned: outcome("abandoned"),
            first_byte: self.0.upstream_first_byte.with_label_values(&[name]),
            retries: retries("made"),
            retries_refused: retries("refused"),
        }
    }

    fn family<T>(&self, name: &str, make: impl FnOnce() -> prometheus::Result<T>) -> Result<T, BoxError>
    where
        T: Collector + Clone + Send + Sync + 'static,
    {
        let mut known = self.0.known.lock();
        if let Some(family) = known.get(name) {
            let family = family.downcast_ref::<T>();
            return family.cloned().ok_or_else(|| format!("metric {name} exists with another type").into());
        }
        let family = added(&self.0.registry, make()?)?;
        known.insert(name.to_owned(), Box::new(family.clone()));
        Ok(family)
    }
}

fn added<T: Collector + Clone + 'static>(registry: &Registry, collector: T) -> prometheus::Result<T> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

// === impl UpstreamMetrics ===

impl UpstreamMetrics {
    pub(crate) fn repeated(&self, is_made: bool) {
        if is_made { &self.retries } else { &self.retries_refused }.inc();
    }

    pub(crate) fn attempt(&self, attempt: &Attempt<'_>) {
        match (attempt.failure, attempt.status) {
            (Some(failure), _) => {
                if failure.is_upstreams() { &self.failed } else { &self.abandoned }.inc();
            }
            (None, status) => {
                let failed = status.is_some_and(|status| status.is_server_error());
                if failed { &self.server_error } else { &self.ok }.inc();
                self.first_byte.observe(attempt.elapsed.as_secs_f64());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_made_once_and_keeps_its_type() {
        let metrics = Metrics::new().unwrap();
        metrics.counters("loyalty_total", "Points.", &["kind"]).unwrap().with_label_values(&["gold"]).inc();
        let again = metrics.counters("loyalty_total", "Points.", &["kind"]).unwrap();
        assert_eq!(again.with_label_values(&["gold"]).get(), 1, "the same family after a reload");
        assert!(metrics.gauges("loyalty_total", "Points.", &["kind"]).is_err(), "not as another type");
    }

    #[test]
    fn a_route_is_in_the_text() {
        let metrics = Metrics::new().unwrap();
        let route = metrics.route("app", "login");
        route.counts.request(&http::Method::POST, http::StatusCode::OK);
        let brew = http::Method::from_bytes(b"BREW").unwrap();
        route.counts.request(&brew, http::StatusCode::IM_A_TEAPOT);
        route.counts.local_reply("rate_limited");
        route.counts.local_reply("rate_limited");
        let text = metrics.render().unwrap();
        for line in [
            r#"headwall_requests_total{method="POST",route="login",site="app",status="2xx"} 1"#,
            r#"headwall_requests_total{method="_OTHER",route="login",site="app",status="4xx"} 1"#,
            r#"headwall_local_replies_total{reason="rate_limited",route="login",site="app"} 2"#,
            "headwall_build_info{version=",
            "process_resident_memory_bytes ",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }
}
