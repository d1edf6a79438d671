//! Where a request would go, and why: the answer of `headwall explain`.

use std::fmt::Display;
use std::net::IpAddr;

use headwall_config::{Config, HttpsRedirect, Report, Site, Slot};
use headwall_core::{Route, websocket::Handshake};
use headwall_route::{Outcome, Position, Request, RouteTable, Verdict, host_of, normalise};
use http::{HeaderMap, Method, Uri};

use crate::assemble::{Foundation, assemble, settings};
use crate::modules::Modules;
use crate::tls::Purpose;

/// A request that nobody has sent.
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) url: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) client: IpAddr,
}

/// Lines with a label each.
#[derive(Default)]
struct Answer(String);

/// Builds the config without starting anything, and asks its table.
pub(crate) fn explain(
    config: &Config,
    modules: &Modules,
    question: &Question,
) -> Result<String, Vec<Report>> {
    let foundation = Foundation::new().map_err(|_| Vec::new())?;
    let table = assemble(config, modules, &foundation, Purpose::Explain, None)?.table;
    let mut answer = Answer::default();
    answer.request(config, question);
    if let Err(refusal) = answer.way(config, table.routes(), question) {
        answer.line("answer", refusal);
    }
    Ok(answer.0)
}

impl Answer {
    fn line(&mut self, label: &str, text: impl Display) {
        self.0.push_str(&format!("{label:9} {text}\n"));
    }

    fn request(&mut self, config: &Config, question: &Question) {
        let Question { method, url, headers, client } = question;
        self.line("request", format!("{method} {url}"));
        let seen = settings(config, None).trusted_proxies.client(*client, headers);
        self.line(
            "client",
            format!("{seen}{}", if seen == *client { "" } else { ", as a trusted proxy says" }),
        );
    }

    /// From host and path to the route. The error is why the request comes to none.
    fn way(&mut self, config: &Config, table: &RouteTable<Route>, question: &Question) -> Result<(), String> {
        let Question { method, url, headers, .. } = question;
        let authority = url.authority().map(|authority| authority.as_str());
        let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).or(authority);
        let host =
            host.map(host_of).transpose().map_err(|error| format!("400, the host is malformed: {error}"))?;
        let path = normalise(url.path()).map_err(|error| format!("400, the path is malformed: {error}"))?;
        if path != url.path() {
            self.line("path", format!("{path}, once normalised"));
        }
        let request = Request { host: host.as_deref(), method, path: &path, query: url.query(), headers };
        let Some((site, _)) = table.site_of(request.host) else {
            let sites: Vec<_> =
                config.sites.iter().map(|site| format!("\n          {}", title(site))).collect();
            let host = host.as_deref().unwrap_or("none");
            return Err(format!("404, no site takes the host {host}; there are:{}", sites.concat()));
        };
        let site = &config.sites[site];
        self.line("site", title(site));
        if let Some(status) = to_https(site, url) {
            self.line("answer", format!("{status}, to HTTPS: without TLS no route of this site is taken"));
            return Ok(());
        }
        let (winner, refusal) = match table.find(&request) {
            Outcome::Found(found) => {
                self.route(config, site, found.position, found.target);
                self.upgrade(question);
                (Some(found.position), None)
            }
            Outcome::MethodNotAllowed { allow, .. } => {
                (None, Some(format!("405, this address takes {allow}")))
            }
            Outcome::NoRoute { .. } | Outcome::NoSite => {
                (None, Some("404, no route takes the request".to_owned()))
            }
        };
        if let Some(refusal) = refusal {
            self.line("answer", refusal);
        }
        self.others(site, table, &request, winner);
        Ok(())
    }

    fn route(&mut self, config: &Config, site: &Site, position: Position, built: &Route) {
        let route = &site.routes[position.rule];
        let matchers: Vec<_> = route.matchers.iter().map(ToString::to_string).collect();
        let takes = if matchers.is_empty() { "everything".to_owned() } else { matchers.join(", or ") };
        self.line("route", format!("{}: takes {takes}", route.name));
        for (index, slot) in site.filters.iter().chain(&route.filters).enumerate() {
            self.line(if index == 0 { "filters" } else { "" }, format!("{}. {}", index + 1, module(slot)));
        }
        self.line("service", module(&route.service));
        self.line("", built.service.describe());
        let settings = route.service.settings.to_json();
        let used = settings.get("upstream").and_then(|name| name.as_str());
        if let Some(upstream) = config.upstreams.iter().find(|upstream| Some(upstream.name.as_str()) == used)
        {
            self.line("upstream", format!("{}: {}", upstream.name, module(&upstream.kind)));
        }
        if !route.access_log {
            self.line("log", "not in the access log");
        }
    }

    fn upgrade(&mut self, question: &Question) {
        let (mut req, ()) = http::Request::new(()).into_parts();
        req.method = question.method.clone();
        req.headers = question.headers.clone();
        match Handshake::of(&req) {
            Handshake::None => {}
            Handshake::Valid => self.line("websocket", "a well-formed handshake"),
            Handshake::Malformed(why) => self.line("websocket", format!("not a handshake: {why}")),
        }
    }

    fn others(
        &mut self,
        site: &Site,
        table: &RouteTable<Route>,
        request: &Request<'_>,
        winner: Option<Position>,
    ) {
        let steps = table.explain(request).map(|explanation| explanation.steps).unwrap_or_default();
        let others: Vec<_> = steps.into_iter().filter(|step| Some(step.position) != winner).collect();
        if !others.is_empty() {
            self.0.push_str("\nnot taken, best ranked first:\n");
        }
        for step in others {
            let why = match step.verdict {
                Verdict::Refuses(why) => why.to_string(),
                Verdict::Outranked | Verdict::Wins => "would take it, but ranks lower".to_owned(),
            };
            self.0.push_str(&format!("  {}: {why}\n", site.routes[step.position.rule].name));
        }
    }
}

/// The status by which plain HTTP is sent to HTTPS, where it is and where that is asked.
fn to_https(site: &Site, url: &Uri) -> Option<u16> {
    let is_plain = url.scheme_str() == Some("http");
    match site.tls.as_ref()?.redirect {
        HttpsRedirect::Status(status) if is_plain => Some(status),
        HttpsRedirect::Status(_) | HttpsRedirect::Off => None,
    }
}

fn title(site: &Site) -> String {
    let hosts: Vec<_> = site.hosts.iter().map(ToString::to_string).collect();
    let hosts =
        if hosts.is_empty() { "every host that no other site names".to_owned() } else { hosts.join(", ") };
    format!("{} ({hosts})", site.name)
}

fn module(slot: &Slot) -> String {
    format!("{} {}", slot.name, slot.settings.to_json())
}
