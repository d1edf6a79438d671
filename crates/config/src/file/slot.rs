//! Places in the file whose type depends on a name that is written there.
//!
//! Their schemas are placeholders that [`schema`](mod@crate::schema) fills in from the registry.

use crate::document::NodeId;
use crate::typed::{NodeRef, Rest};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// An entry of `filters`: a mapping from the filter's name to its settings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct FilterSlot(NodeRef);

/// An entry of `upstreams`: settings of the default kind, or a mapping from another kind's name to its settings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct UpstreamSlot(NodeRef);

/// The keys of a route that may name its service; exactly one does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Service(Rest);

impl FilterSlot {
    pub(crate) fn id(self) -> NodeId {
        self.0.0
    }
}

impl UpstreamSlot {
    pub(crate) fn id(self) -> NodeId {
        self.0.0
    }
}

impl Service {
    pub(crate) fn ids(&self) -> &[NodeId] {
        &self.0.0
    }
}

impl JsonSchema for FilterSlot {
    fn schema_name() -> Cow<'static, str> {
        "FilterSlot".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A filter, under its name.",
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

impl JsonSchema for UpstreamSlot {
    fn schema_name() -> Cow<'static, str> {
        "UpstreamSlot".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Servers to forward to." })
    }
}

impl JsonSchema for Service {
    fn schema_name() -> Cow<'static, str> {
        "Service".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}
