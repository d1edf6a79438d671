//! The configuration written out again, every default visible: what `check --expanded` prints.

use crate::config::{Config, Route, Site, Slot, Upstream};
use serde_json::{Map, Value, json};

pub(crate) fn yaml(config: &Config) -> String {
    let mut document = json!({
        "workers": config.workers,
        "listeners": config.listeners,
        "client": config.client,
        "limits": config.limits,
        "access_log": config.access_log,
        "admin": config.admin,
        "shutdown": config.shutdown,
        "sites": config.sites.iter().map(site).collect::<Value>(),
        "upstreams": config.upstreams.iter().map(upstream).collect::<Map<_, _>>(),
    });
    keep_dollars(&mut document);
    // A tree of JSON values has nothing that YAML cannot say.
    serde_saphyr::to_string(&document).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
}

fn site(site: &Site) -> Value {
    let hosts: Vec<String> = site.hosts.iter().map(ToString::to_string).collect();
    json!({
        "name": site.name,
        "hosts": hosts,
        "filters": site.filters.iter().map(slot).collect::<Value>(),
        "routes": site.routes.iter().map(route).collect::<Value>(),
    })
}

fn route(route: &Route) -> Value {
    let mut value = Map::new();
    value.insert("name".to_owned(), json!(route.name));
    if !route.matchers.is_empty() {
        value.insert("match".to_owned(), route.written_match.clone());
    }
    value.insert("filters".to_owned(), route.filters.iter().map(slot).collect());
    value.insert("access_log".to_owned(), json!(route.access_log));
    value.insert(route.service.name.clone(), route.service.settings.to_json());
    Value::Object(value)
}

fn upstream(upstream: &Upstream) -> (String, Value) {
    (upstream.name.clone(), slot(&upstream.kind))
}

fn slot(slot: &Slot) -> Value {
    Value::Object(Map::from_iter([(slot.name.clone(), slot.settings.to_json())]))
}

/// Doubles the dollars that reading would take for a variable, so that the output can be read again.
fn keep_dollars(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("${") || text.contains("$$") => {
            *text = text.replace("$$", "$$$$").replace("${", "$${");
        }
        Value::Array(items) => items.iter_mut().for_each(keep_dollars),
        Value::Object(entries) => entries.values_mut().for_each(keep_dollars),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
