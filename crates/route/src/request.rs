//! What routing looks at.

use http::{HeaderMap, Method};

/// The parts of a request that rules are matched against, borrowed for the time of one lookup.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The host as [`host_of`](crate::host_of) gave it; `None` for a request without one (HTTP/1.0).
    pub host: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The path as [`normalise`](crate::normalise) gave it.
    pub path: &'a str,
    /// What follows the `?`, as it came; `None` when there is no `?`.
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a HeaderMap,
}
