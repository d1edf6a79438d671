//! A filter for what a request's body may be: `body_limit`.
//!
//! ```yaml
//! filters:
//!   - body_limit: { max: 64k }
//! ```
//!
//! It says how many bytes, and the framework sees to it, because a body is counted on its way to the upstream, in the one
//! place that every body passes.

use std::sync::Arc;

use garde::Validate;
use headwall_core::units::Size;
use headwall_core::{BoxError, Build, Context, Filter, Flow, Module, Phases, RequestHead, async_trait};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds the body of a request. A larger one is answered with 413: before the upstream hears of it where its length is
/// announced, otherwise as soon as the limit is passed. In place of `limits.max_body_size`, whichever is larger.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct BodyLimit {
    /// The most bytes: `64k`, `1m`. `0` allows no body at all.
    #[garde(skip)]
    pub max: Size,
}

struct Limit(u64);

impl Module for BodyLimit {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Limit(self.max.bytes())))
    }
}

#[async_trait]
impl Filter for Limit {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, _: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        cx.limit_body(self.0);
        Ok(Flow::Continue)
    }
}
