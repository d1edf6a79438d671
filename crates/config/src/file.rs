//! The file as written.
//!
//! These types say what the keys are called and nothing more; names in them may dangle. [`resolve`](crate::resolve)
//! makes a [`Config`](crate::Config) of them. The doc comments are the descriptions in the JSON Schema.

mod acme;
mod edge;
mod listen;
mod matching;
mod slot;
mod tls;
mod workers;

pub use self::acme::{Acme, AcmeAccount, AcmeAuthority, AcmeChallenge, AcmeDns};
pub(crate) use self::edge::WrittenListener;
pub use self::edge::{
    AccessLog, AccessLogFormat, Admin, Client, Limits, LogOutput, Shutdown, UnderscoreHeaders,
};
pub use self::listen::{InvalidListenAddress, ListenAddress};
pub(crate) use self::matching::{Condition, ValueCondition};
pub(crate) use self::slot::{FilterSlot, Service, UpstreamSlot};
pub use self::tls::{CertificateFiles, ClientAuth, ClientAuthMode, HttpsRedirect, TlsVersion};
pub(crate) use self::tls::{TlsSlot, WrittenTls};
pub use self::workers::Workers;
use crate::typed::{At, Named, OneOrMany};
use garde::Validate;
pub use headwall_units::{InvalidNetwork, Network};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// A Headwall configuration.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Headwall configuration", extend("required" = ["sites"]))]
pub(crate) struct File {
    /// How many threads serve requests. Default: `auto`, one for each CPU of the machine.
    #[serde(default)]
    #[garde(dive)]
    pub(crate) workers: Workers,
    /// Where clients connect to. Default: `[::]:8080`, or `[::]:80` and `[::]:443` if a site has `tls`.
    #[serde(default)]
    #[garde(skip)]
    pub(crate) listeners: Vec<At<WrittenListener>>,
    /// What is known of clients before they say anything.
    #[serde(default)]
    #[garde(skip)]
    pub(crate) client: Client,
    /// Limits of client connections.
    #[serde(default)]
    #[garde(dive)]
    pub(crate) limits: Limits,
    /// The log of requests.
    #[serde(default)]
    #[garde(skip)]
    pub(crate) access_log: AccessLog,
    /// The page for operators and monitoring: `/metrics`, `/livez`, `/readyz`, `/certificates`.
    #[serde(default)]
    #[garde(skip)]
    pub(crate) admin: Admin,
    /// How the server stops.
    #[serde(default)]
    #[garde(dive)]
    pub(crate) shutdown: Shutdown,
    /// Where Headwall keeps what it must not lose: certificates, keys and accounts. Several processes may share it.
    /// Default: `$STATE_DIRECTORY`, or `/var/lib/headwall` for root, or `headwall` in the user's data directory.
    #[serde(default)]
    #[garde(skip)]
    pub(crate) storage: Option<PathBuf>,
    /// What is served, by host. At least one.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    #[garde(skip)]
    pub(crate) sites: Vec<At<Site>>,
    /// Servers to forward to, by name. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub(crate) upstreams: Named<UpstreamSlot>,
}

/// A site: hosts and their routes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Site {
    /// A unique name, which metrics and logs carry. Default: the first host that is no wildcard, or `default`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) name: Option<At<String>>,
    /// The hosts that it answers for, such as `app.example.com` or `*.example.com`. Default: every host that no
    /// other site names; at most one site can be like that.
    #[serde(default)]
    #[schemars(with = "OneOrMany<String>")]
    pub(crate) hosts: OneOrMany<At<String>>,
    /// How it speaks TLS, and where its certificates come from: settings, or one of `auto`, `acme` and `internal`.
    /// Default: it does not.
    #[serde(default)]
    pub(crate) tls: Option<TlsSlot>,
    /// Filters for all of its routes, in this order, before those of the route. Default: none.
    #[serde(default)]
    pub(crate) filters: Vec<FilterSlot>,
    /// Its routes. The most specific match wins, whatever the order. Default: none, so that every request gets a 404.
    #[serde(default)]
    pub(crate) routes: Vec<At<Route>>,
}

/// A route: which requests, what is done to them, and the service that answers them.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Route {
    /// A name that is unique within the site, which metrics and logs carry. Default: made from the match, such as
    /// `POST /api/login` or `/api/*`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) name: Option<At<String>>,
    /// Which requests take the route: one set of conditions, or a list of which one must hold. Default: every request.
    #[serde(default, rename = "match")]
    pub(crate) matches: OneOrMany<At<Condition>>,
    /// Filters, in this order, after those of the site. Default: none.
    #[serde(default)]
    pub(crate) filters: Vec<FilterSlot>,
    /// Whether requests of this route are in the access log. Default: true.
    #[serde(default = "yes")]
    #[schemars(extend("default" = true))]
    pub(crate) access_log: bool,
    /// The service, under its own name.
    #[serde(default, rename = "$rest")]
    pub(crate) service: Service,
}

fn yes() -> bool {
    true
}
