//! The chapter "Write a policy".

use std::sync::Arc;

use garde::Validate;
use headwall::BoxError;
use headwall_upstream::{Ask, Candidate, Pick, Policies, Policy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The policies that our clusters can name.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OurPolicies {
    /// The first server that has room, so that the last ones can be switched off at night.
    #[default]
    First,
}

impl Policies for OurPolicies {
    fn build(&self) -> Result<Arc<dyn Policy>, BoxError> {
        match self {
            Self::First => Ok(Arc::new(First)),
        }
    }
}

struct First;

impl Policy for First {
    fn prepare(&self, _: &[Candidate]) -> Box<dyn Pick> {
        Box::new(Self)
    }
}

impl Pick for First {
    fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        (0..ask.candidates().len()).find(|&index| ask.is_open(index))
    }
}
