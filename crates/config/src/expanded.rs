//! The configuration written out again, every default visible: what `check --expanded` prints.

use crate::config::{Certificates, Config, Route, Site, Slot, Tls, Upstream};
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
        "storage": config.storage,
        "sites": config.sites.iter().map(site).collect::<Value>(),
        "upstreams": config.upstreams.iter().map(upstream).collect::<Map<_, _>>(),
    });
    keep_dollars(&mut document);
    // A tree of JSON values has nothing that YAML cannot say.
    serde_saphyr::to_string(&document).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
}

fn site(site: &Site) -> Value {
    let hosts: Vec<String> = site.hosts.iter().map(ToString::to_string).collect();
    let mut value = Map::new();
    value.insert("name".to_owned(), json!(site.name));
    value.insert("hosts".to_owned(), json!(hosts));
    if let Some(settings) = &site.tls {
        value.insert("tls".to_owned(), tls(settings));
    }
    value.insert("filters".to_owned(), site.filters.iter().map(slot).collect());
    value.insert("routes".to_owned(), site.routes.iter().map(route).collect());
    Value::Object(value)
}

fn tls(tls: &Tls) -> Value {
    let (key, certificates) = match &tls.certificates {
        Certificates::Files(files) => {
            ("certificates", files.iter().map(|(files, _)| json!(files)).collect::<Value>())
        }
        Certificates::Acme(acme) => ("acme", json!(acme)),
        Certificates::Internal => ("internal", json!({})),
    };
    let mut value = Map::new();
    value.insert(key.to_owned(), certificates);
    value.insert("min_version".to_owned(), json!(tls.min_version));
    if let Some((ciphers, _)) = &tls.ciphers {
        value.insert("ciphers".to_owned(), json!(ciphers));
    }
    value.insert("session_tickets".to_owned(), json!(tls.session_tickets));
    if let Some((client_auth, _)) = &tls.client_auth {
        value.insert("client_auth".to_owned(), json!(client_auth));
    }
    value.insert("redirect".to_owned(), json!(tls.redirect));
    Value::Object(value)
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
