//! Filters: those that Headwall brings along, and what a filter of one's own can rely on.

mod bodies;
mod hooks;
mod preset;
pub(crate) mod probe;
mod rate_limit;
