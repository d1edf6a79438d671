//! What a running server says of itself: is it ready, and how did the last reload go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use headwall_config::Admin;
use headwall_core::{BoxError, Metrics, NamedUpstream, Service};
use prometheus::{IntCounter, IntGauge};
use serde::Serialize;

use crate::tls::{Certificate, Gauges, Snapshot};

/// Shared by the admin listener and whoever changes the server.
pub(crate) struct Status {
    pub(crate) metrics: Metrics,
    draining: AtomicBool,
    upstreams: ArcSwap<Vec<Arc<NamedUpstream>>>,
    certificates: Arc<ArcSwap<Vec<Arc<Certificate>>>>,
    wait_for_certificates: AtomicBool,
    /// What modules have for operators, by path.
    pages: ArcSwap<Pages>,
    /// Names that the admin listener may be asked by.
    admin_hosts: ArcSwap<Vec<String>>,
    reloads: Reloads,
}

type Pages = BTreeMap<String, Arc<dyn Service>>;

struct Reloads {
    succeeded: IntCounter,
    failed: IntCounter,
    last_successful: IntGauge,
    last_success: IntGauge,
}

/// The answer to "can you take requests?".
#[derive(Serialize)]
pub(crate) struct Readiness {
    pub(crate) status: &'static str,
    upstreams: Vec<UpstreamReadiness>,
    /// Those that there is none of yet, where that is waited for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_certificates: Vec<String>,
}

#[derive(Serialize)]
struct UpstreamReadiness {
    name: String,
    available: bool,
}

impl Status {
    pub(crate) fn new(metrics: Metrics) -> Result<Self, BoxError> {
        let reloads = metrics.counters(
            "headwall_config_reloads_total",
            "Attempts to change the config while running.",
            &["result"],
        )?;
        let gauge = |name: &str, help: &str| {
            metrics.gauges(name, help, &[]).map(|gauge| gauge.with_label_values::<&str>(&[]))
        };
        let reloads = Reloads {
            succeeded: reloads.with_label_values(&["succeeded"]),
            failed: reloads.with_label_values(&["failed"]),
            last_successful: gauge(
                "headwall_config_last_reload_successful",
                "Whether the last reload succeeded.",
            )?,
            last_success: gauge(
                "headwall_config_last_reload_success_timestamp_seconds",
                "When the running config was put to work.",
            )?,
        };
        let certificates = Arc::new(ArcSwap::default());
        Gauges::register(&metrics, Arc::clone(&certificates))?;
        Ok(Self {
            draining: AtomicBool::new(false),
            upstreams: ArcSwap::default(),
            certificates,
            wait_for_certificates: AtomicBool::new(false),
            pages: ArcSwap::default(),
            admin_hosts: ArcSwap::default(),
            reloads,
            metrics,
        })
    }

    /// These upstreams will be all there are: whatever else was at work has had its day.
    pub(crate) fn retire_all_but(&self, kept: &[Arc<NamedUpstream>]) {
        for old in self.upstreams.load().iter() {
            if !kept.iter().any(|kept| Arc::ptr_eq(kept.inner(), old.inner())) {
                old.inner().retire();
            }
        }
    }

    /// A config has been put to work: the first one, or a new one.
    pub(crate) fn serving(
        &self,
        upstreams: Vec<Arc<NamedUpstream>>,
        certificates: Vec<Arc<Certificate>>,
        pages: Pages,
        admin: &Admin,
    ) {
        self.upstreams.store(Arc::new(upstreams));
        self.certificates.store(Arc::new(certificates));
        self.pages.store(Arc::new(pages));
        self.admin_hosts.store(Arc::new(admin.hosts.clone()));
        self.wait_for_certificates.store(admin.wait_for_certificates, Ordering::SeqCst);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.reloads.last_success.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        self.reloads.last_successful.set(1);
    }

    pub(crate) fn reloaded(&self, succeeded: bool) {
        if succeeded { &self.reloads.succeeded } else { &self.reloads.failed }.inc();
        self.reloads.last_successful.set(succeeded.into());
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// What a module has for operators at this path.
    pub(crate) fn page(&self, path: &str) -> Option<Arc<dyn Service>> {
        self.pages.load().get(path).cloned()
    }

    /// The upstreams that are at work.
    pub(crate) fn upstreams(&self) -> Arc<Vec<Arc<NamedUpstream>>> {
        self.upstreams.load_full()
    }

    /// Names that the admin listener may be asked by, besides addresses.
    pub(crate) fn admin_hosts(&self) -> Arc<Vec<String>> {
        self.admin_hosts.load_full()
    }

    /// How each certificate fares.
    pub(crate) fn certificates(&self) -> Vec<Snapshot> {
        self.certificates.load().iter().map(|certificate| certificate.snapshot()).collect()
    }

    fn missing_certificates(&self) -> Vec<String> {
        if !self.wait_for_certificates.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let certificates = self.certificates.load();
        let missing = certificates.iter().filter(|certificate| certificate.identity().is_none());
        missing.map(|certificate| certificate.label().to_owned()).collect()
    }

    /// Ready means: not draining, and not without any upstream that works. One upstream of several being down is for
    /// alerts to tell; taking the whole front door out of service would make it worse.
    pub(crate) fn readiness(&self) -> Readiness {
        let upstreams: Vec<_> = self
            .upstreams
            .load()
            .iter()
            .map(|upstream| UpstreamReadiness {
                name: upstream.name().to_string(),
                available: upstream.is_available(),
            })
            .collect();
        let missing_certificates = self.missing_certificates();
        let status = if self.draining.load(Ordering::SeqCst) {
            "draining"
        } else if !upstreams.is_empty() && upstreams.iter().all(|upstream| !upstream.available) {
            "no upstream is available"
        } else if !missing_certificates.is_empty() {
            "certificates are missing"
        } else {
            "ready"
        };
        Readiness { status, upstreams, missing_certificates }
    }
}
