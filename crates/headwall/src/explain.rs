//! Where a request would go, and why: the answer of `headwall explain`.

use std::fmt::Write as _;
use std::net::IpAddr;

use headwall_config::{Config, Report, Site, Slot};
use headwall_core::{RequestHeader, Route, websocket::Handshake};
use headwall_route::{Outcome, Request, Verdict, host_of, normalise};
use http::{HeaderMap, Method, Uri};

use crate::assemble::{Foundation, assemble, settings};
use crate::modules::Modules;

/// A request that nobody has sent.
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) url: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) client: IpAddr,
}

/// Builds the config without starting anything, and asks its table.
pub(crate) fn explain(
    config: &Config,
    modules: &Modules,
    question: &Question,
) -> Result<String, Vec<Report>> {
    let foundation = Foundation::new()?;
    let table = assemble(config, modules, &foundation)?.table;
    let mut answer = String::new();
    // Writing to a String cannot fail, which is why no result is looked at below.
    let Question { method, url, headers, client } = question;
    let _ = writeln!(answer, "request   {method} {url}");
    let seen = settings(config, None).trusted_proxies.client(*client, headers);
    let _ = writeln!(
        answer,
        "client    {seen}{}",
        if seen == *client { "" } else { " (told by a trusted proxy)" }
    );

    let authority = url.authority().map(|authority| authority.as_str());
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).or(authority);
    let host = match host.map(host_of).transpose() {
        Ok(host) => host,
        Err(error) => {
            let _ = writeln!(answer, "answer    400: the host is malformed: {error}");
            return Ok(answer);
        }
    };
    let path = match normalise(url.path()) {
        Ok(path) => path,
        Err(error) => {
            let _ = writeln!(answer, "answer    400: the path is malformed: {error}");
            return Ok(answer);
        }
    };
    if path != url.path() {
        let _ = writeln!(answer, "path      {path} (normalised)");
    }
    let request = Request { host: host.as_deref(), method, path: &path, query: url.query(), headers };
    let table = table.routes();
    let winner = match table.find(&request) {
        Outcome::NoSite => {
            let host = host.as_deref().unwrap_or("none");
            let _ = writeln!(answer, "answer    404: no site takes the host {host}; there are:");
            for site in &config.sites {
                let _ = writeln!(answer, "          {} ({})", site.name, hosts(site));
            }
            return Ok(answer);
        }
        Outcome::Found(found) => {
            let site = &config.sites[found.site];
            tell_route(&mut answer, config, site, found.position.rule, found.target);
            tell_upgrade(&mut answer, question);
            Some(found.position)
        }
        Outcome::NoRoute { site } => {
            let _ = writeln!(
                answer,
                "site      {}\nanswer    404: none of its routes takes the request",
                config.sites[site].name
            );
            None
        }
        Outcome::MethodNotAllowed { site, allow } => {
            let name = &config.sites[site].name;
            let _ = writeln!(answer, "site      {name}\nanswer    405: there are routes for {allow} only");
            None
        }
    };
    if let Some(explanation) = table.explain(&request) {
        let site = &config.sites[explanation.site];
        let others: Vec<_> = explanation.steps.iter().filter(|step| Some(step.position) != winner).collect();
        if !others.is_empty() {
            let _ = writeln!(answer, "\nnot taken, best ranked first:");
        }
        for step in others {
            let name = &site.routes[step.position.rule].name;
            let _ = match &step.verdict {
                Verdict::Refuses(why) => writeln!(answer, "  {name}: {why}"),
                Verdict::Outranked | Verdict::Wins => {
                    writeln!(answer, "  {name}: would take it, but ranks lower")
                }
            };
        }
    }
    Ok(answer)
}

fn tell_route(answer: &mut String, config: &Config, site: &Site, rule: usize, built: &Route) {
    let route = &site.routes[rule];
    let matchers: Vec<_> = route.matchers.iter().map(ToString::to_string).collect();
    let matchers = if matchers.is_empty() { "everything".to_owned() } else { matchers.join(", or ") };
    let _ = writeln!(answer, "site      {} ({})", site.name, hosts(site));
    let _ = writeln!(answer, "route     {}: takes {matchers}", route.name);
    for (index, slot) in site.filters.iter().chain(&route.filters).enumerate() {
        let label = if index == 0 { "filters" } else { "" };
        let _ = writeln!(answer, "{label:9} {}. {} {}", index + 1, slot.name, json(slot));
    }
    let _ = writeln!(
        answer,
        "service   {} {}\n          {}",
        route.service.name,
        json(&route.service),
        built.service.describe()
    );
    let service = route.service.settings.to_json();
    let used = service.get("upstream").and_then(|name| name.as_str());
    if let Some(upstream) = config.upstreams.iter().find(|upstream| Some(upstream.name.as_str()) == used) {
        let _ =
            writeln!(answer, "upstream  {}: {} {}", upstream.name, upstream.kind.name, json(&upstream.kind));
    }
    if !route.access_log {
        let _ = writeln!(answer, "log       not in the access log");
    }
}

fn tell_upgrade(answer: &mut String, question: &Question) {
    let target = question.url.path().as_bytes();
    let Ok(mut req) = RequestHeader::build(question.method.clone(), target, None) else { return };
    for (name, value) in &question.headers {
        // A header that was parsed is a header that can be set.
        let _ = req.append_header(name, value.clone());
    }
    let _ = match Handshake::of(&req) {
        Handshake::None => Ok(()),
        Handshake::Valid => writeln!(answer, "websocket a well-formed handshake"),
        Handshake::Malformed(why) => writeln!(answer, "websocket not a handshake: {why}"),
    };
}

fn hosts(site: &Site) -> String {
    if site.hosts.is_empty() {
        return "every host that no other site names".into();
    }
    site.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn json(slot: &Slot) -> String {
    slot.settings.to_json().to_string()
}
