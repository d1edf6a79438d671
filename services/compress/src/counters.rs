//! The numbers of one filter.

use headwall_core::{BoxError, Build};
use prometheus::{IntCounter, IntCounterVec};

use crate::Coding;

/// Handles of its counters, for each coding at its place in [`Coding::ALL`].
pub(crate) struct Counters {
    pub(crate) responses: [IntCounter; Coding::ALL.len()],
    pub(crate) received: [IntCounter; Coding::ALL.len()],
    pub(crate) sent: [IntCounter; Coding::ALL.len()],
    pub(crate) crowded_out: IntCounter,
}

impl Counters {
    pub(crate) fn new(cx: &Build<'_>) -> Result<Self, BoxError> {
        let labels = &["place", "encoding"];
        let metrics = cx.metrics();
        let responses = metrics.counters(
            "headwall_compress_responses_total",
            "Responses that were compressed.",
            labels,
        )?;
        let received = metrics.counters(
            "headwall_compress_input_bytes_total",
            "Bytes of bodies before they were compressed.",
            labels,
        )?;
        let sent = metrics.counters(
            "headwall_compress_output_bytes_total",
            "Bytes of bodies after they were compressed.",
            labels,
        )?;
        let crowded_out = metrics.counters(
            "headwall_compress_crowded_out_total",
            "Responses that were sent as they are because too many were being compressed.",
            &["place"],
        )?;
        let place = cx.place();
        let of_each = |family: &IntCounterVec| {
            Coding::ALL.map(|coding| family.with_label_values(&[place, coding.token()]))
        };
        Ok(Self {
            responses: of_each(&responses),
            received: of_each(&received),
            sent: of_each(&sent),
            crowded_out: crowded_out.with_label_values(&[place]),
        })
    }
}
