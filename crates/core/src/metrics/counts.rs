//! Requests by method and status class, and local replies by reason, for each route.
//!
//! A counter family of the prometheus crate would cost a label lookup a request, or fifty ready-made series a route
//! of which most stay zero. Here a request adds one to a cell, and only cells that were ever touched are shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, LabelPair, Metric, MetricFamily, MetricType};

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "_OTHER"];
const OTHER: usize = METHODS.len() - 1;
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const REQUESTS: (&str, &str) =
    ("headwall_requests_total", "Requests by method and class of the status that was sent.");
const REPLIES: (&str, &str) =
    ("headwall_local_replies_total", "Answers that Headwall made itself, by reason.");

/// The counts of one route.
#[derive(Default)]
pub(crate) struct Counts {
    requests: [[AtomicU64; CLASSES.len()]; METHODS.len()],
    /// Append-only, and short: reasons are words in code.
    replies: ArcSwap<Vec<(&'static str, Arc<AtomicU64>)>>,
}

/// All routes that ever were, so that a counter never goes back at a reload.
#[derive(Clone)]
pub(crate) struct RouteCollector {
    routes: Arc<Mutex<Routes>>,
    descriptions: [Desc; 2],
}

/// By site and name.
type Routes = BTreeMap<(String, String), Arc<Counts>>;

// === impl Counts ===

impl Counts {
    pub(crate) fn request(&self, method: &Method, status: StatusCode) {
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(OTHER);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[method][class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn local_reply(&self, reason: &'static str) {
        let count = |replies: &[(&str, Arc<AtomicU64>)]| {
            let cell = replies.iter().find(|(known, _)| *known == reason);
            cell.map(|(_, cell)| cell.fetch_add(1, Ordering::Relaxed)).is_some()
        };
        if count(&self.replies.load()) {
            return;
        }
        self.replies.rcu(|replies| {
            let mut replies = Vec::clone(replies);
            if !replies.iter().any(|(known, _)| *known == reason) {
                replies.push((reason, Arc::default()));
            }
            replies
        });
        count(&self.replies.load());
    }
}

// === impl RouteCollector ===

impl RouteCollector {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let describe = |(name, help): (&str, &str), labels: [&str; 2]| {
            let labels = ["site", "route"].into_iter().chain(labels).filter(|label| !label.is_empty());
            Desc::new(
                name.to_owned(),
                help.to_owned(),
                labels.map(str::to_owned).collect(),
                Default::default(),
            )
        };
        let descriptions = [describe(REQUESTS, ["method", "status"])?, describe(REPLIES, ["reason", ""])?];
        Ok(Self { routes: Arc::default(), descriptions })
    }

    pub(crate) fn counts(&self, site: &str, route: &str) -> Arc<Counts> {
        self.routes.lock().entry((site.to_owned(), route.to_owned())).or_default().clone()
    }
}

impl Collector for RouteCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        for ((site, route), counts) in self.routes.lock().iter() {
            for (method, classes) in METHODS.iter().zip(&counts.requests) {
                for (class, cell) in CLASSES.iter().zip(classes) {
                    let labels = [("method", *method), ("route", route), ("site", site), ("status", *class)];
                    requests.extend(metric(&labels, cell));
                }
            }
            for (reason, cell) in counts.replies.load().iter() {
                replies.extend(metric(&[("reason", *reason), ("route", route), ("site", site)], cell));
            }
        }
        // The encoder refuses a family without a metric.
        [family(REQUESTS, requests), family(REPLIES, replies)].into_iter().flatten().collect()
    }
}

fn metric(labels: &[(&str, &str)], cell: &AtomicU64) -> Option<Metric> {
    let value = cell.load(Ordering::Relaxed);
    if value == 0 {
        return None;
    }
    let pair = |&(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    let mut counter = Counter::default();
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in f64")]
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels.iter().map(pair).collect());
    metric.set_counter(counter);
    Some(metric)
}

fn family((name, help): (&str, &str), metrics: Vec<Metric>) -> Option<MetricFamily> {
    if metrics.is_empty() {
        return None;
    }
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::COUNTER);
    family.set_metric(metrics);
    Some(family)
}
