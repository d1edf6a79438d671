//! Which requests a route takes, as written.

use crate::document::NodeId;
use crate::typed::{At, Named, NodeRef, OneOrMany};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// Conditions on a request, all of which must hold. At most one of them is on the path.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    /// The path is exactly this.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) path: Option<At<String>>,
    /// The path is this or below it: `/api` holds for `/api` and `/api/x`, not for `/apis`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) path_prefix: Option<At<String>>,
    /// The expression is found in the path, anywhere unless it has `^` or `$`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) path_regex: Option<At<String>>,
    /// The method is one of these; `GET` stands for `HEAD` too. Default: any.
    #[serde(default)]
    #[schemars(with = "OneOrMany<String>")]
    pub(crate) methods: OneOrMany<At<String>>,
    /// Each of these header fields has its value. Default: none.
    #[serde(default)]
    pub(crate) headers: Named<ValueSlot>,
    /// Each of these query parameters has its value. Default: none.
    #[serde(default)]
    pub(crate) query: Named<ValueSlot>,
}

/// A value's condition before it is known whether it is a text or a mapping.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct ValueSlot(NodeRef);

/// A condition on a value that is not just the value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum ValueCondition {
    /// The expression is found in the value.
    Regex(At<String>),
    /// There is a value.
    Present(At<bool>),
}

impl ValueSlot {
    pub(crate) fn id(self) -> NodeId {
        self.0.0
    }
}

impl JsonSchema for ValueSlot {
    fn schema_name() -> Cow<'static, str> {
        "ValueCondition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let regex = json_schema!({
            "type": "object",
            "properties": { "regex": {
                "description": "The expression is found in the value, anywhere unless it has `^` or `$`.",
                "type": "string",
            } },
            "required": ["regex"],
            "additionalProperties": false,
        });
        let present = json_schema!({
            "type": "object",
            "properties": { "present": { "description": "There is a value, whatever it is.", "const": true } },
            "required": ["present"],
            "additionalProperties": false,
        });
        json_schema!({
            "description": "The value itself, `{ regex: … }` or `{ present: true }`.",
            "anyOf": [{ "type": ["string", "number", "boolean"] }, regex, present],
        })
    }
}
