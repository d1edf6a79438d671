//! Slots: a name in the file selects a module, and the module's type reads the rest.

use crate::config::{Slot, Upstream};
use crate::document::{NodeId, Value};
use crate::file::{FilterSlot, Service, UpstreamSlot};
use crate::registry::{Module, ROUTE_KEYS, Registry};
use crate::report::Code;
use crate::suggest;
use crate::typed::Typing;

pub(super) fn filters(typing: &mut Typing<'_>, registry: &Registry, entries: &[FilterSlot]) -> Vec<Slot> {
    entries.iter().filter_map(|entry| filter(typing, registry, entry.id())).collect()
}

fn filter(typing: &mut Typing<'_>, registry: &Registry, entry: NodeId) -> Option<Slot> {
    let document = typing.document();
    let [settings] = *document.children(entry) else {
        if !typing.is_damaged(entry) {
            refuse_filter_entry(typing, entry);
        }
        return None;
    };
    if document.node(settings).key.is_none() {
        refuse_filter_entry(typing, entry);
        return None;
    }
    let name = document.key(settings);
    match registry.filters().find(name) {
        Some(module) => read(typing, module, settings),
        None => {
            let message = format!("there is no filter named `{name}`");
            let help = match registry.services().find(name) {
                Some(_) => Some(format!("`{name}` is a service: it stands beside `filters`, not in it")),
                None => suggest::help(name, registry.filters().names()),
            };
            typing.error_at_key(settings, Code::UnknownFilter, message, help);
            None
        }
    }
}

fn refuse_filter_entry(typing: &mut Typing<'_>, entry: NodeId) {
    let document = typing.document();
    let help = match (&document.node(entry).value, document.children(entry)) {
        (Value::Scalar(scalar), _) if !scalar.text.is_empty() => {
            Some(format!("write `{}: {{}}`", scalar.shown()))
        }
        (Value::Map(_), [first, _, ..]) => {
            Some(format!("if the other keys are settings of `{}`, indent them further", document.key(*first)))
        }
        (Value::Scalar(_) | Value::List(_) | Value::Map(_), _) => None,
    };
    let message = "expected a mapping with exactly one key, the name of a filter".to_owned();
    typing.error(entry, Code::OneFilterPerEntry, message, help);
}

/// The service of a route: the one key of it that names one.
pub(super) fn service(
    typing: &mut Typing<'_>,
    registry: &Registry,
    route: NodeId,
    keys: &Service,
) -> Option<Slot> {
    let document = typing.document();
    let services = registry.services();
    let mut found: Option<(NodeId, &dyn Module)> = None;
    let mut is_silent = typing.is_damaged(route);
    for id in keys.ids() {
        let name = document.key(*id);
        let Some(module) = services.find(name) else {
            // The key may be meant for a service, and then "no service" would be a second error for one mistake.
            is_silent |= refuse_route_key(typing, registry, *id) == Code::UnknownService;
            continue;
        };
        if let Some((first, _)) = found {
            let message =
                format!("a route has one service, and this one already has `{}`", document.key(first));
            let help = Some("give it a route of its own".to_owned());
            typing.error_at_key(*id, Code::SeveralServices, message, help);
        } else {
            found = Some((*id, module));
        }
    }
    if found.is_none() && !is_silent {
        let names: Vec<&str> = services.names().collect();
        let help = (!names.is_empty()).then(|| format!("add one of {}", suggest::list(&names)));
        typing.error(route, Code::NoService, "this route has no service to answer it".to_owned(), help);
    }
    let (id, module) = found?;
    read(typing, module, id)
}

/// Reports a key of a route that is neither its own nor a service's, as the one that it looks more like.
fn refuse_route_key(typing: &mut Typing<'_>, registry: &Registry, id: NodeId) -> Code {
    let name = typing.document().key(id);
    let services: Vec<&str> = registry.services().names().collect();
    let (code, message, help) = if suggest::nearest(name, ROUTE_KEYS).is_some() {
        let help = suggest::help(name, ROUTE_KEYS.iter().copied());
        (Code::UnknownKey, format!("unknown key `{name}`"), help)
    } else {
        let help = match registry.filters().find(name) {
            Some(_) => Some(format!("`{name}` is a filter: it belongs into the list `filters`")),
            None => suggest::help(name, services),
        };
        (Code::UnknownService, format!("there is no service named `{name}`"), help)
    };
    typing.error_at_key(id, code, message, help);
    code
}

pub(super) fn upstreams(
    typing: &mut Typing<'_>,
    registry: &Registry,
    entries: &[UpstreamSlot],
) -> Vec<Upstream> {
    entries.iter().filter_map(|entry| upstream(typing, registry, entry.id())).collect()
}

fn upstream(typing: &mut Typing<'_>, registry: &Registry, entry: NodeId) -> Option<Upstream> {
    let document = typing.document();
    let kinds = registry.upstreams();
    let only = match *document.children(entry) {
        [only] if document.node(only).key.is_some() => Some(only),
        _ => None,
    };
    let name = document.key(entry).to_owned();
    if let Some(settings) = only
        && let Some(module) = kinds.find(document.key(settings))
    {
        return Some(Upstream { name, kind: read(typing, module, settings)? });
    }
    let default = kinds.find(Registry::DEFAULT_UPSTREAM);
    // One key alone can be a slip of a kind's name or of a setting of the default kind.
    if let Some(settings) = only {
        let key = document.key(settings);
        let names: Vec<&str> = kinds.names().collect();
        let is_setting = default.is_some_and(|default| default.has_key(key));
        if !is_setting && suggest::nearest(key, &names).is_some() {
            let message = format!("there is no kind of upstream named `{key}`");
            typing.error_at_key(settings, Code::UnknownUpstreamKind, message, suggest::help(key, names));
            return None;
        }
    }
    let Some(default) = default else {
        let message = "expected exactly one key, the kind of the upstream".to_owned();
        let names: Vec<&str> = kinds.names().collect();
        let help = (!names.is_empty()).then(|| format!("one of {}", suggest::list(&names)));
        typing.error_at_key(entry, Code::UnknownUpstreamKind, message, help);
        return None;
    };
    let settings = default.read(typing, entry)?;
    let place = document.key_place(entry);
    Some(Upstream { name, kind: Slot { name: Registry::DEFAULT_UPSTREAM.to_owned(), settings, place } })
}

/// Warns of upstreams that nothing names, unless errors hide what would.
pub(super) fn warn_of_unused(typing: &mut Typing<'_>, entries: &[UpstreamSlot]) {
    let document = typing.document();
    for entry in entries {
        let name = document.key(entry.id());
        if !typing.has_errors() && !typing.is_used(name) {
            let message = format!("nothing uses the upstream `{name}`");
            typing.warn_at_key(entry.id(), Code::UnusedUpstream, message, None);
        }
    }
}

fn read(typing: &mut Typing<'_>, module: &dyn Module, settings: NodeId) -> Option<Slot> {
    let document = typing.document();
    let name = document.key(settings).to_owned();
    let place = document.key_place(settings);
    module.read(typing, settings).map(|settings| Slot { name, settings, place })
}
