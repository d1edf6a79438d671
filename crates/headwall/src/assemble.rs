//! From a config to what serves requests: the only place that knows both.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use headwall_config::{
    AccessLogFormat, Config, HttpsRedirect, LogOutput, Report, Route as RouteConfig, Site as SiteConfig, Slot,
};
use headwall_core::access_log::{AccessLog, LogFormat, LogTarget, LogWriter};
use headwall_core::client::TrustedProxies;
use headwall_core::front::Rules;
use headwall_core::gateway::UnderscoreHeaders;
use headwall_core::module::{Accord, AdminPages, Shared, WarmUp};
use headwall_core::route::Step;
use headwall_core::table::{Around, NotFound};
use headwall_core::{
    BoxError, Build, Context, Metrics, NamedUpstream, Peer, RequestHead, Route, Service, Settings, Table,
    Unavailable, Upstream, async_trait,
};
use headwall_route::{Rule, Site};
use http::StatusCode;

use crate::https::ToHttps;
use crate::modules::Modules;
use crate::tls::{self, Purpose, Secured};

/// The label of what no route of a site takes.
const UNMATCHED: &str = "_unmatched";
/// The label of plain HTTP that is sent to HTTPS.
const TO_HTTPS: &str = "_https";
/// The label of what no site takes.
const NOWHERE: &str = "_none";

/// What outlives any one config.
#[derive(Debug)]
pub(crate) struct Foundation {
    pub(crate) metrics: Metrics,
    pub(crate) shared: Shared,
    pub(crate) ground: tls::Ground,
}

impl Foundation {
    /// Fresh metrics and nothing shared yet.
    pub(crate) fn new() -> Result<Self, BoxError> {
        let metrics = Metrics::new()?;
        let ground = tls::Ground::new(&metrics)?;
        Ok(Self { metrics, shared: Shared::default(), ground })
    }
}

/// What a config has become.
pub(crate) struct Assembled {
    pub(crate) table: Table,
    pub(crate) secured: Secured,
    pub(crate) upstreams: Vec<Arc<NamedUpstream>>,
    /// To be done before the first request.
    pub(crate) warm_up: Vec<WarmUp>,
    /// What modules have for operators, by path.
    pub(crate) pages: BTreeMap<String, Arc<dyn Service>>,
}

/// Builds everything that a config names. Every module that cannot be built is in the error.
///
/// `https` is the port of the first listener that speaks TLS, as it was bound. Where nothing is served it does not matter.
pub(crate) fn assemble(
    config: &Config,
    modules: &Modules,
    foundation: &Foundation,
    purpose: Purpose,
    https: Option<u16>,
) -> Result<Assembled, Vec<Report>> {
    let secured = tls::secure(config, &foundation.ground, &foundation.shared, purpose);
    let mut work = Assembly {
        config,
        modules,
        foundation,
        upstreams: HashMap::new(),
        warm_up: Vec::new(),
        accord: Accord::default(),
        pages: AdminPages::default(),
        errors: Vec::new(),
        https: https.unwrap_or(443),
    };
    let upstreams = work.upstreams();
    let sites: Vec<_> = config.sites.iter().map(|site| work.site(site)).collect();
    let nowhere = Route::builder(UNMATCHED, NotFound).site(NOWHERE).metrics(&foundation.metrics).build();
    let Assembly { mut errors, warm_up, pages, .. } = work;
    let secured = match secured {
        Ok(secured) if errors.is_empty() => secured,
        Ok(_) => return Err(errors),
        Err(others) => {
            errors.extend(others);
            return Err(errors);
        }
    };
    match Table::new(sites, nowhere) {
        Ok(table) => Ok(Assembled { table, secured, upstreams, warm_up, pages: pages.into_inner() }),
        Err(conflict) => {
            let site = conflict.conflicts().first().map_or(0, |conflict| conflict.second.0);
            Err(vec![config.error_at(&config.sites[site].place, conflict.to_string())])
        }
    }
}

/// Stands in for an upstream that could not be built, in a config that will not be used.
struct Unbuilt;

#[async_trait]
impl Upstream for Unbuilt {
    async fn peer(&self, _: &RequestHead, _: &mut Context) -> Result<Peer, Unavailable> {
        Err(Unavailable::Failed("it could not be built".into()))
    }
}

struct Assembly<'a> {
    config: &'a Config,
    modules: &'a Modules,
    foundation: &'a Foundation,
    upstreams: HashMap<String, Arc<NamedUpstream>>,
    warm_up: Vec<WarmUp>,
    accord: Accord,
    pages: AdminPages,
    errors: Vec<Report>,
    /// The port that plain HTTP is sent to.
    https: u16,
}

impl Assembly<'_> {
    fn upstreams(&mut self) -> Vec<Arc<NamedUpstream>> {
        for upstream in &self.config.upstreams {
            let modules = self.modules;
            let build = |cx: &mut Build<'_>| modules.build_upstream(&upstream.kind, cx);
            let built = self.build(&upstream.kind, (&upstream.name, None), "upstreams", build);
            // One that cannot be built is one error, not another for each route that uses it.
            let built = built.unwrap_or_else(|| Arc::new(Unbuilt));
            let named = NamedUpstream::new(&upstream.name, built, &self.foundation.metrics);
            self.upstreams.insert(upstream.name.clone(), Arc::new(named));
        }
        self.upstreams.values().cloned().collect()
    }

    fn site(&mut self, site: &SiteConfig) -> (Site<Route>, Around) {
        let steps = self.steps(&site.filters, &site.name);
        let rules = site.routes.iter().map(|route| self.rule(site, route, &steps)).collect();
        let miss =
            steps.iter().cloned().fold(Route::builder(UNMATCHED, NotFound), |route, step| route.step(step));
        let not_found = miss.site(&site.name).metrics(&self.foundation.metrics).build();
        let around = Around { not_found, plain_http: self.to_https(site) };
        (Site { name: Some(site.name.clone()), hosts: site.hosts.clone(), rules }, around)
    }

    /// What plain HTTP gets instead of the site's routes. The site's filters stay out of it: none of them is to ask for a
    /// password where everybody can read it.
    fn to_https(&self, site: &SiteConfig) -> Option<Route> {
        let HttpsRedirect::Status(status) = site.tls.as_ref()?.redirect else { return None };
        let status = StatusCode::from_u16(status).ok()?;
        let service = ToHttps { status, port: self.https };
        let route = Route::builder(TO_HTTPS, service).site(&site.name).service_name("redirect");
        Some(route.metrics(&self.foundation.metrics).build())
    }

    fn rule(&mut self, site: &SiteConfig, route: &RouteConfig, site_steps: &[Step]) -> Rule<Route> {
        let place = format!("{}/{}", site.name, route.name);
        let steps = self.steps(&route.filters, &place);
        let modules = self.modules;
        let build = |cx: &mut Build<'_>| modules.build_service(&route.service, cx);
        let built = match self.build(&route.service, (&route.service.name, None), &place, build) {
            Some(service) => Route::shared(&route.name, service),
            // There is an error now, so the table will not be used.
            None => Route::builder(&route.name, NotFound),
        };
        let built = site_steps.iter().cloned().chain(steps).fold(built, |route, step| route.step(step));
        let built = built
            .site(&site.name)
            .service_name(&route.service.name)
            .access_log(route.access_log)
            .metrics(&self.foundation.metrics);
        Rule::new(route.matchers.clone(), built.build())
    }

    fn steps(&mut self, filters: &[Slot], place: &str) -> Vec<Step> {
        let modules = self.modules;
        let step = |(index, slot): (usize, &Slot)| {
            let next = filters.get(index + 1).map(|next| next.name.as_str());
            let filter = self.build(slot, (&slot.name, next), place, |cx| modules.build_filter(slot, cx))?;
            Some(Step::new(&slot.name, filter))
        };
        filters.iter().enumerate().filter_map(step).collect()
    }

    /// Builds what a slot holds, under a name and with the name of what stands behind it.
    fn build<T: ?Sized>(
        &mut self,
        slot: &Slot,
        (name, next): (&str, Option<&str>),
        place: &str,
        build: impl FnOnce(&mut Build<'_>) -> Result<Arc<T>, BoxError>,
    ) -> Option<Arc<T>> {
        let Foundation { metrics, shared, .. } = self.foundation;
        let cx = Build::new(name, place, &self.upstreams, metrics, shared, &mut self.warm_up);
        let mut cx = cx.followed_by(next).among(&self.accord).with_admin(&self.pages);
        match build(&mut cx) {
            Ok(built) => Some(built),
            Err(error) => {
                self.errors.push(self.config.error_at(&slot.place, format!("`{}`: {error}", slot.name)));
                None
            }
        }
    }
}

/// The proxies whose word is taken.
pub(crate) fn trusted_proxies(config: &Config) -> TrustedProxies {
    TrustedProxies::new(config.client.trusted_proxies.iter().map(|network| network.net()))
}

pub(crate) fn bytes(size: headwall_core::units::Size) -> usize {
    usize::try_from(size.bytes()).unwrap_or(usize::MAX)
}

/// The settings of the gateway, logging to `log`.
pub(crate) fn settings(config: &Config, log: Option<AccessLog>) -> Settings {
    let limits = &config.limits;
    Settings {
        trusted_proxies: trusted_proxies(config),
        forwarded: config.client.forwarded,
        access_log: log,
        body_timeout: limits.body_timeout.as_std(),
        min_body_rate: limits.min_body_rate.bytes(),
        send_timeout: limits.send_timeout.as_std(),
        keepalive_timeout: limits.keepalive_timeout.as_std(),
        head: Rules {
            max_request_line: bytes(limits.max_request_line),
            max_header_size: bytes(limits.max_header_size),
            max_header_count: usize::from(limits.max_header_count),
        },
        underscore_headers: match limits.underscore_headers {
            headwall_config::UnderscoreHeaders::Drop => UnderscoreHeaders::Drop,
            headwall_config::UnderscoreHeaders::Allow => UnderscoreHeaders::Allow,
            headwall_config::UnderscoreHeaders::Refuse => UnderscoreHeaders::Refuse,
        },
        max_requests_per_connection: limits.max_requests_per_connection,
        max_body_size: limits.max_body_size.bytes(),
    }
}

/// The access log that a config asks for. A writer that already writes to the right place goes on.
pub(crate) fn access_log(
    config: &Config,
    running: Option<&AccessLog>,
    metrics: &Metrics,
) -> Result<Option<AccessLog>, std::io::Error> {
    let format = match config.access_log.format {
        AccessLogFormat::Off => return Ok(None),
        AccessLogFormat::Json => LogFormat::Json,
        AccessLogFormat::Combined => LogFormat::Combined,
    };
    let target = match &config.access_log.output {
        LogOutput::Stdout => LogTarget::Stdout,
        LogOutput::Stderr => LogTarget::Stderr,
        LogOutput::File(path) => LogTarget::File(path.clone()),
    };
    let writer = match running.map(AccessLog::writer).filter(|writer| *writer.target() == target) {
        Some(writer) => writer.clone(),
        None => Arc::new(LogWriter::open(target, metrics)?),
    };
    Ok(Some(AccessLog::new(format, writer)))
}
