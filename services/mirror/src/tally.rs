//! What has become of copies, in numbers.

use headwall_core::{BoxError, Build};
use prometheus::IntCounter;

/// Counters of one place in the config.
pub(crate) struct Tally {
    /// The upstream has answered, whatever it said.
    pub(crate) sent: IntCounter,
    /// It has not, or not in time.
    pub(crate) failed: IntCounter,
    /// There were as many copies under way as there may be.
    pub(crate) no_room: IntCounter,
    /// The body was too large.
    pub(crate) too_large: IntCounter,
}

impl Tally {
    pub(crate) fn new(cx: &Build<'_>) -> Result<Self, BoxError> {
        let copies = cx.metrics().counters(
            "headwall_mirror_requests_total",
            "Copies of requests for other upstreams, by what has become of them.",
            &["place", "result"],
        )?;
        let of = |result| copies.with_label_values(&[cx.place(), result]);
        Ok(Self {
            sent: of("sent"),
            failed: of("failed"),
            no_room: of("no_room"),
            too_large: of("too_large"),
        })
    }
}
