//! Sites: their names and hosts, each of which belongs to one site only.

use super::{name::Names, routes, slots, tls};
use crate::config::Site;
use crate::document::{Document, NodeId};
use crate::file;
use crate::registry::Registry;
use crate::report::Code;
use crate::typed::{At, Typing};
use headwall_route::HostPattern;
use std::collections::HashMap;

/// Which site takes what, so far.
#[derive(Default)]
struct Hosts {
    /// Hosts by their text, with the place of the first mention.
    named: HashMap<String, NodeId>,
    /// The site that takes every other host.
    default: Option<NodeId>,
}

pub(super) fn sites(typing: &mut Typing<'_>, registry: &Registry, written: &[At<file::Site>]) -> Vec<Site> {
    if written.is_empty() {
        refuse_none(typing);
    }
    let mut names = Names::default();
    let named = written.iter().filter_map(|site| site.value.name.as_ref());
    names.take_written(typing, Code::DuplicateSite, named);
    let mut hosts = Hosts::default();
    written.iter().map(|site| resolve(typing, registry, site, &mut names, &mut hosts)).collect()
}

fn refuse_none(typing: &mut Typing<'_>) {
    let written = typing.document().child(Document::ROOT, "sites");
    if written.is_some_and(|sites| typing.is_damaged(sites)) {
        return;
    }
    let help = Some("a site without `hosts` answers for every host".to_owned());
    let at = written.unwrap_or(Document::ROOT);
    typing.error(at, Code::NoSites, "there are no `sites`, so nothing would be answered".to_owned(), help);
}

fn resolve(
    typing: &mut Typing<'_>,
    registry: &Registry,
    At { id, value: site }: &At<file::Site>,
    names: &mut Names,
    hosts: &mut Hosts,
) -> Site {
    let patterns = hosts.take(typing, *id, &site.hosts.0);
    let name = match &site.name {
        Some(name) => name.value.clone(),
        None => {
            let exact = site.hosts.0.iter().find(|host| !host.value.starts_with("*."));
            names.make_up(exact.map_or("default", |host| &host.value), *id)
        }
    };
    Site {
        name,
        tls: site.tls.and_then(|slot| tls::tls(typing, *id, slot, &patterns)),
        hosts: patterns,
        filters: slots::filters(typing, registry, &site.filters),
        routes: routes::routes(typing, registry, *id, &site.routes),
        place: typing.document().place(*id),
    }
}

// === impl Hosts ===

impl Hosts {
    fn take(&mut self, typing: &mut Typing<'_>, site: NodeId, written: &[At<String>]) -> Vec<HostPattern> {
        let lost = typing.document().child(site, "hosts").is_some_and(|hosts| typing.is_damaged(hosts));
        if written.is_empty() && !lost {
            self.take_rest(typing, site);
        }
        written.iter().filter_map(|host| self.take_one(typing, host)).collect()
    }

    fn take_one(&mut self, typing: &mut Typing<'_>, host: &At<String>) -> Option<HostPattern> {
        let pattern: HostPattern = match host.value.parse() {
            Ok(pattern) => pattern,
            Err(error) => {
                typing.error(host.id, Code::InvalidValue, sentence(&error), None);
                return None;
            }
        };
        let text = pattern.to_string();
        if let Some(first) = self.named.get(&text) {
            let line = typing.document().place(*first).line;
            let help = Some(format!("it stands first in line {line}"));
            typing.error(host.id, Code::DuplicateHost, format!("the host `{text}` is given twice"), help);
        } else {
            self.named.insert(text, host.id);
        }
        Some(pattern)
    }

    fn take_rest(&mut self, typing: &mut Typing<'_>, site: NodeId) {
        if let Some(first) = self.default {
            let line = typing.document().place(first).line;
            let message = "a second site without hosts, and only one can take every other host".to_owned();
            let help = Some(format!("give this one `hosts`; the first is in line {line}"));
            typing.error(site, Code::SeveralDefaultSites, message, help);
        } else {
            self.default = Some(site);
        }
    }
}

/// An error and its causes in one line: `expected …: because …`.
pub(super) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}
