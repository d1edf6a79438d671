//! The JSON Schema of a configuration file, for editors and for the reference.
//!
//! The skeleton's schema comes from its types; what stands in a slot depends on the registry and is filled in here.

use crate::file::File;
use crate::registry::{Modules, Registry};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The JSON Schema (draft 2020-12) of a file whose modules are those of `registry`.
///
/// Print it to a file and name that in the first line of a configuration
/// (`# yaml-language-server: $schema=headwall.schema.json`); editors then complete and check it.
pub fn schema(registry: &Registry) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let filters = properties(&mut generator, registry.filters());
    let services = properties(&mut generator, registry.services());
    let kinds = properties(&mut generator, registry.upstreams());
    let mut root = Value::from(generator.into_root_schema_for::<File>());
    if let Some(slot) = root.pointer_mut("/$defs/FilterSlot").and_then(Value::as_object_mut) {
        slot.insert("properties".to_owned(), Value::Object(filters));
        slot.insert("additionalProperties".to_owned(), json!(false));
    }
    if let Some(route) = root.pointer_mut("/$defs/Route").and_then(Value::as_object_mut) {
        fill_route(route, services);
    }
    if let Some(slot) = root.pointer_mut("/$defs/UpstreamSlot").and_then(Value::as_object_mut) {
        fill_upstream(slot, &kinds);
    }
    root
}

/// The module's settings by its name. Nothing at all stands for `{}`.
fn properties(generator: &mut SchemaGenerator, modules: &Modules) -> Map<String, Value> {
    let mut properties = Map::new();
    for (name, module) in modules.iter() {
        let schema = Value::from(module.schema(generator));
        properties.insert(name.to_owned(), json!({ "anyOf": [schema, { "type": "null" }] }));
    }
    properties
}

fn fill_route(route: &mut Map<String, Value>, services: Map<String, Value>) {
    let one_service: Vec<Value> = services.keys().map(|name| json!({ "required": [name] })).collect();
    if let Some(properties) = route.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| name != "$rest");
        properties.extend(services);
    }
    route.insert("additionalProperties".to_owned(), json!(false));
    if !one_service.is_empty() {
        route.insert("oneOf".to_owned(), Value::Array(one_service));
    }
}

/// The settings of the default kind, or one key that names a kind.
fn fill_upstream(slot: &mut Map<String, Value>, kinds: &Map<String, Value>) {
    let mut choices: Vec<Value> = Vec::new();
    choices.extend(kinds.get(Registry::DEFAULT_UPSTREAM).cloned());
    choices.push(json!({
        "type": "object",
        "properties": kinds,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
    }));
    slot.insert("anyOf".to_owned(), Value::Array(choices));
}
