//! The way to an answer. An address alone does not tell who is asked: a canary has it as well as the app, and a route may
//! rewrite it.

use std::sync::Arc;

/// The route of a request, and the upstream that it goes to, by their names in the config: servers come and go. What has come
/// one way is not given to requests that go another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Way {
    pub(crate) route: Arc<str>,
    pub(crate) upstream: Arc<str>,
}
