//! Routes of a site: their names, and that each can be reached.

use super::{matching, name::Names, slots};
use crate::config::Route;
use crate::document::NodeId;
use crate::file;
use crate::registry::Registry;
use crate::report::Code;
use crate::typed::{At, Typing};
use headwall_route::{Matcher, RouteTable, Rule};

pub(super) fn routes(
    typing: &mut Typing<'_>,
    registry: &Registry,
    site: NodeId,
    written: &[At<file::Route>],
) -> Vec<Route> {
    let mut names = Names::default();
    let named = written.iter().filter_map(|route| route.value.name.as_ref());
    names.take_written(typing, Code::DuplicateRoute, named);
    let mut routes = Vec::with_capacity(written.len());
    let mut reach = Some(Vec::with_capacity(written.len()));
    for At { id, value: route } in written {
        let matchers = matching::matchers(typing, *id, route);
        let name = match &route.name {
            Some(name) => name.value.clone(),
            None => names.make_up(&matching::name(&route.matches.0), *id),
        };
        match (&mut reach, &matchers) {
            (Some(reach), Some(matchers)) => reach.push((*id, name.clone(), matchers.clone())),
            (None, _) | (_, None) => reach = None,
        }
        let filters = slots::filters(typing, registry, &route.filters);
        let service = slots::service(typing, registry, *id, &route.service);
        if let (Some(matchers), Some(service)) = (matchers, service) {
            routes.push(Route {
                name,
                matchers,
                filters,
                access_log: route.access_log,
                service,
                place: typing.document().place(*id),
                written_match: matching::as_written(typing.document(), &route.matches.0),
            });
        }
    }
    let lost = typing.document().child(site, "routes").is_some_and(|routes| typing.is_removed(routes));
    if let (Some(reach), false) = (reach, lost) {
        refuse_unreachable(typing, &reach);
    }
    routes
}

/// Only a site whose every match is understood is looked at: one that is not may hide or be hidden.
fn refuse_unreachable(typing: &mut Typing<'_>, routes: &[(NodeId, String, Vec<Matcher>)]) {
    let rules = routes.iter().map(|(_, _, matchers)| Rule::new(matchers.clone(), ())).collect();
    let site = headwall_route::Site { rules, ..headwall_route::Site::default() };
    let Ok(table) = RouteTable::new([site]) else {
        return;
    };
    let document = typing.document();
    for shadow in table.shadowed() {
        let Some((id, name, _)) = routes.get(shadow.rule) else {
            continue;
        };
        let takers = shadow.by.iter().filter_map(|by| routes.get(*by));
        let takers: Vec<String> =
            takers.map(|(id, name, _)| format!("`{name}` (line {})", document.place(*id).line)).collect();
        let message = format!(
            "no request reaches the route `{name}`: all that it matches goes to {}",
            takers.join(", ")
        );
        let help = Some("remove one, or make its match more specific".to_owned());
        let at = document.child(*id, "match").unwrap_or(*id);
        typing.error(at, Code::UnreachableRoute, message, help);
    }
}
