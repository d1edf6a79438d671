//! A tunnel's own task: its numbers, its relay, its log line.

use http::header::{REFERER, USER_AGENT};
use http::{HeaderMap, StatusCode};
use pingora_core::protocols::Stream;
use prometheus::IntGauge;
use tokio::sync::watch;

use super::relay::{Limits, Report, relay};
use crate::access_log::{AccessLog, Record};
use crate::connection::Phase;
use crate::context::own;
use crate::gateway::exit;
use crate::metrics::WebSocketMetrics;
use crate::{Context, Outcome, Stage};

/// Everything a tunnel needs once its request is over.
pub(super) struct Task {
    pub(super) client: Stream,
    pub(super) origin: Stream,
    /// What each side had sent before the tunnel began: the client's, then the origin's.
    pub(super) early: (Vec<u8>, Vec<u8>),
    pub(super) limits: Limits,
    pub(super) cx: Context,
    pub(super) headers: HeaderMap,
    pub(super) access_log: Option<AccessLog>,
}

/// Counts a tunnel as open for as long as it lives.
struct Open(IntGauge);

impl Task {
    /// Lets the tunnel run by itself.
    pub(super) fn start(mut self, metrics: Option<&WebSocketMetrics>, stage: watch::Receiver<Stage>) {
        // The handshake is what counts as the route's request; an hour of tunnel would drown its histograms.
        let cx = &mut self.cx;
        let duration = cx.started().elapsed();
        let status = Some(StatusCode::SWITCHING_PROTOCOLS);
        exit::count(cx, &Outcome { status, reason: None, duration, bytes_received: 0, bytes_sent: 0 });
        // The handshake was answered; the place at the server is taken until the tunnel ends.
        let lease = cx.finish_attempt(None);
        cx.leave_routes();
        cx.let_go_of_the_head();
        if let Some(connection) = &cx.connection {
            connection.never_give_up();
            connection.enter(Phase::Tunnel);
        }
        self.headers = only_for_the_log(&self.headers);
        let metrics = metrics.cloned();
        tokio::spawn(async move {
            let _lease = lease;
            let _open = metrics.as_ref().map(|metrics| {
                metrics.opened.inc();
                Open::new(&metrics.open)
            });
            let report = self.relay(stage).await;
            if let Some(metrics) = &metrics {
                metrics.received.inc_by(report.received);
                metrics.sent.inc_by(report.sent);
                metrics.closed.with_label_values(&[report.end.reason()]).inc();
            }
            self.log(&report);
        });
    }

    async fn relay(&mut self, stage: watch::Receiver<Stage>) -> Report {
        let early = std::mem::take(&mut self.early);
        relay(&mut self.client, &mut self.origin, early, self.limits, stage).await
    }

    fn log(&self, report: &Report) {
        let cx = &self.cx;
        let outcome = Outcome {
            status: Some(StatusCode::SWITCHING_PROTOCOLS),
            reason: Some(report.end.reason()),
            duration: cx.started().elapsed(),
            bytes_received: report.received,
            bytes_sent: report.sent,
        };
        for route in &cx.entered {
            route.log(&outcome, cx);
        }
        if let Some(access_log) =
            self.access_log.as_ref().filter(|_| cx.entered.iter().all(|route| route.access_log))
        {
            access_log.write(&Record::of(cx, &self.headers, &outcome, "websocket"));
        }
    }
}

/// An idle tunnel keeps no more of its request than its log line will tell.
fn only_for_the_log(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in [REFERER, USER_AGENT] {
        if let Some(value) = headers.get(&name) {
            kept.insert(name, own(value));
        }
    }
    kept
}

impl Open {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
