//! When certificates end, for monitoring. Asked of them when metrics are, so that nothing is left of one that is gone.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arc_swap::ArcSwap;
use headwall_core::{BoxError, Metrics};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts};

use super::Certificate;

/// The certificates that are in use.
pub(crate) type InUse = Arc<ArcSwap<Vec<Arc<Certificate>>>>;

pub(crate) struct Gauges {
    certificates: InUse,
    expiry: IntGaugeVec,
}

impl Gauges {
    /// Shows the certificates that are in use whenever metrics are asked for.
    pub(crate) fn register(metrics: &Metrics, certificates: InUse) -> Result<(), BoxError> {
        let gauges = Self { certificates, expiry: expiry()? };
        Ok(metrics.registry().register(Box::new(gauges))?)
    }
}

fn expiry() -> prometheus::Result<IntGaugeVec> {
    let opts = Opts::new(
        "headwall_certificate_expiry_timestamp_seconds",
        "When the certificate that is in use ends; 0 where there is none yet.",
    );
    IntGaugeVec::new(opts, &["site", "certificate", "source"])
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.expiry.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(fresh) = expiry() else { return Vec::new() };
        for certificate in self.certificates.load().iter() {
            let end = certificate.identity().and_then(|identity| {
                let since = identity.not_after().duration_since(UNIX_EPOCH).ok()?;
                i64::try_from(since.as_secs()).ok()
            });
            let labels = [certificate.site(), certificate.label(), certificate.source()];
            fresh.with_label_values(&labels).set(end.unwrap_or(0));
        }
        fresh.collect()
    }
}
