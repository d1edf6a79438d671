//! The schema describes the file and the modules that are registered.

use crate::modules;
use headwall_config::{Registry, schema};
use serde_json::{Value, json};

fn at<'a>(schema: &'a Value, pointer: &str) -> &'a Value {
    schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer} in {schema:#}"))
}

#[test]
fn slots_are_filled_from_the_registry() {
    let schema = schema(&modules::registry());
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(at(&schema, "/$defs/FilterSlot/properties/rate_limit/anyOf/0/$ref"), "#/$defs/RateLimit");
    assert_eq!(at(&schema, "/$defs/FilterSlot/maxProperties"), 1);
    assert_eq!(at(&schema, "/$defs/Route/properties/spa/anyOf/0/$ref"), "#/$defs/Spa");
    assert_eq!(at(&schema, "/$defs/Route/oneOf"), &json!([{ "required": ["api"] }, { "required": ["spa"] }]));
    assert_eq!(at(&schema, "/$defs/UpstreamSlot/anyOf/0/anyOf/0/$ref"), "#/$defs/Cluster");
    assert_eq!(
        at(&schema, "/$defs/UpstreamSlot/anyOf/1/properties/containers/anyOf/0/$ref"),
        "#/$defs/Containers"
    );
    assert_eq!(at(&schema, "/$defs/RateLimit/properties/burst/maximum"), 1000);
    assert!(!schema.to_string().contains("$rest"), "internal names are not shown");
}

#[test]
fn descriptions_and_strictness_come_from_the_types() {
    let schema = schema(&Registry::new());
    let description = at(&schema, "/$defs/Limits/properties/header_timeout/description").as_str().unwrap();
    assert!(description.contains("Default: `10s`"), "{description}");
    assert_eq!(at(&schema, "/$defs/Limits/properties/max_header_size/default"), "32k");
    assert_eq!(at(&schema, "/required"), &json!(["sites"]));
    for object in ["", "/$defs/Route", "/$defs/Site", "/$defs/Limits", "/$defs/Condition", "/$defs/Admin"] {
        assert_eq!(at(&schema, &format!("{object}/additionalProperties")), false, "{object}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(root: &Value, value: &Value) {
        match value {
            Value::Object(entries) => {
                if let Some(reference) = entries.get("$ref").and_then(Value::as_str) {
                    assert!(root.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
                }
                entries.values().for_each(|value| walk(root, value));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(root, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let schema = schema(&modules::registry());
    walk(&schema, &schema);
}
