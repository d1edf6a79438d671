//! Filters: those that Headwall brings along, and what a filter of one's own can rely on.

mod bodies;
mod early_hints;
mod hooks;
mod login_guard;
mod preset;
pub(crate) mod probe;
mod rate_limit;
