//! The configuration as true: no name in it dangles, and every text that means something is parsed.

use crate::document::Document;
use crate::file::{
    AccessLog, Acme, Admin, CertificateFiles, Client, ClientAuth, File, HttpsRedirect, Limits, ListenAddress,
    Network, Shutdown, TlsVersion, Workers,
};
use crate::report::{Code, Diagnostic, Report, Severity};
use crate::resolve;
use crate::source::{Place, Source};
use crate::typed::Typing;
use crate::{AnySettings, Registry, Settings, expanded};
use headwall_route::{HostPattern, Matcher};
use serde::Serialize;
use std::path::PathBuf;

/// A configuration that the reader found no error in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// How many threads serve requests.
    pub workers: Workers,
    /// Where clients connect to; at least one, and no two on one address.
    pub listeners: Vec<Listener>,
    /// What is known of clients before they say anything.
    pub client: Client,
    /// Limits of client connections.
    pub limits: Limits,
    /// The log of requests.
    pub access_log: AccessLog,
    /// The page for operators.
    pub admin: Admin,
    /// How the server stops.
    pub shutdown: Shutdown,
    /// Where to keep what must not be lost, if the file says so.
    pub storage: Option<PathBuf>,
    /// What is served; at least one site.
    pub sites: Vec<Site>,
    /// Servers to forward to, in the order written. Every reference in a module's settings names one of them.
    pub upstreams: Vec<Upstream>,
    pub(crate) document: Document,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Where clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Listener {
    /// The address.
    pub address: ListenAddress,
    /// Whether TLS is spoken; then there is a site with TLS.
    pub tls: bool,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Proxies that say who their client is.
    pub proxy_protocol: Vec<Network>,
}

/// Hosts and their routes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Site {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Its hosts; without any it takes what no other site names. No host is in two sites.
    pub hosts: Vec<HostPattern>,
    /// How it speaks TLS, if it does; then there is a listener for it.
    pub tls: Option<Tls>,
    /// Filters for all of its routes, before those of the route.
    pub filters: Vec<Slot>,
    /// Its routes, in the order written.
    pub routes: Vec<Route>,
    /// Where it stands in the file.
    pub place: Place,
}

/// How a site speaks TLS.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tls {
    /// Where its certificates come from.
    pub certificates: Certificates,
    /// The oldest version.
    pub min_version: TlsVersion,
    /// The cipher suites as written, with the place to say so if they are none.
    pub ciphers: Option<(String, Place)>,
    /// Whether sessions can be resumed.
    pub session_tickets: bool,
    /// Which certificate clients have to show.
    pub client_auth: Option<(ClientAuth, Place)>,
    /// How plain HTTP is sent to HTTPS.
    pub redirect: HttpsRedirect,
    /// Where it stands in the file.
    pub place: Place,
}

/// Where a site's certificates come from.
#[derive(Debug)]
pub enum Certificates {
    /// From files; at least one pair. Each has its place in the file.
    Files(Vec<(CertificateFiles, Place)>),
    /// From a CA; then the site has hosts.
    Acme(Box<Acme>),
    /// From an authority of one's own.
    Internal,
}

/// Which requests, what is done to them, and the service that answers them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Route {
    /// Its name, unique in the site.
    pub name: String,
    /// It takes a request that one of these accepts; without any it takes every request.
    pub matchers: Vec<Matcher>,
    /// Filters, after those of the site.
    pub filters: Vec<Slot>,
    /// Whether its requests are in the access log.
    pub access_log: bool,
    /// What answers.
    pub service: Slot,
    /// Where it stands in the file.
    pub place: Place,
    /// The matchers as written.
    pub(crate) written_match: serde_json::Value,
}

/// Servers to forward to, under a name.
#[derive(Debug)]
#[non_exhaustive]
pub struct Upstream {
    /// The name that services refer to.
    pub name: String,
    /// Its kind and settings.
    pub kind: Slot,
}

/// A module that the file names, with its settings.
#[derive(Debug)]
#[non_exhaustive]
pub struct Slot {
    /// The name under which the module is registered.
    pub name: String,
    /// Its settings, of the type registered with the name.
    pub settings: Box<dyn AnySettings>,
    /// Where it stands in the file, for errors that show only when the module is built.
    pub place: Place,
}

// === impl Config ===

impl Config {
    /// Reads a configuration from the text of a file.
    ///
    /// `source_name` is what messages call the file. `environment` gives the values of `${NAME}`; pass
    /// `&|name| std::env::var(name).ok()` for those of the process.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, in order of place. Only of mistakes in YAML itself is there one at a
    /// time, because what comes after one cannot be read.
    pub fn read(
        source_name: &str,
        text: &str,
        registry: &Registry,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Report> {
        let parsed = Document::parse(Source::new(source_name, text), environment)?;
        let document = parsed.document;
        let mut typing = Typing::new(&document, parsed.diagnostics);
        let resolved = resolve::file(&mut typing, registry);
        let diagnostics = typing.into_diagnostics();
        let refused = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        match resolved {
            Some((
                File { workers, client, limits, access_log, admin, shutdown, storage, .. },
                listeners,
                sites,
                upstreams,
            )) if !refused => Ok(Self {
                workers,
                listeners,
                client,
                limits,
                access_log,
                admin,
                shutdown,
                storage,
                sites,
                upstreams,
                document,
                warnings: diagnostics,
            }),
            Some(_) | None => Err(document.report(diagnostics)),
        }
    }

    /// What is not wrong, but probably not meant; often empty.
    pub fn warnings(&self) -> Report {
        self.document.report(self.warnings.clone())
    }

    /// A report of one error at a place of this file: for a module that reads well and still cannot be built.
    pub fn error_at(&self, place: &Place, message: impl Into<String>) -> Report {
        self.document.report(vec![Diagnostic {
            severity: Severity::Error,
            code: Code::Build,
            message: message.into(),
            place: *place,
            help: None,
        }])
    }

    /// The configuration as YAML with every default visible. Secrets are `[redacted]`; values from the environment
    /// that are no secrets are shown.
    pub fn expanded(&self) -> String {
        expanded::yaml(self)
    }
}

// === impl Slot ===

impl Slot {
    /// The settings as the type they were registered with.
    pub fn settings<T: Settings>(&self) -> Option<&T> {
        self.settings.downcast_ref()
    }
}
