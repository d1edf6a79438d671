//! Headwall's configuration: YAML in, a [`Config`] that is true out, or a [`Report`] of everything that is wrong.
//!
//! The crate knows the skeleton of the file (listeners, limits, sites, routes) and no module: which filters,
//! services and kinds of upstream exist, and which type each one's settings have, the program says in a
//! [`Registry`]. The settings come out typed, with the places where they stand, so that a module that cannot be
//! built is reported like any other error: with line, column and caret.
//!
//! ```
//! use headwall_config::{Config, Registry};
//! use garde::Validate;
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// Answers every request the same.
//! #[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
//! #[serde(deny_unknown_fields)]
//! struct Respond {
//!     /// The status of the answer.
//!     #[garde(range(min = 200, max = 599))]
//!     status: u16,
//! }
//!
//! let mut registry = Registry::new();
//! registry.service::<Respond>("respond")?;
//!
//! let text = "sites: [{ routes: [{ respond: { status: 204 } }] }]";
//! let config = Config::read("headwall.yaml", text, &registry, &|_| None)?;
//! let service = &config.sites[0].routes[0].service;
//! assert_eq!(service.settings::<Respond>().map(|respond| respond.status), Some(204));
//!
//! let slip = text.replace("status", "staus");
//! let report = Config::read("headwall.yaml", &slip, &registry, &|_| None).unwrap_err();
//! assert_eq!(report.diagnostics()[0].help.as_deref(), Some("did you mean `status`?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod report;
mod source;
mod suggest;

mod document;
mod typed;

mod registry;

mod config;
mod file;
mod resolve;

mod expanded;
mod schema;

pub use self::config::{Certificates, Config, Listener, Route, Site, Slot, Tls, Upstream};
pub use self::file::{
    AccessLog, AccessLogFormat, Acme, AcmeAccount, AcmeAuthority, AcmeChallenge, AcmeDns, Admin,
    CertificateFiles, Client, ClientAuth, ClientAuthMode, HttpsRedirect, InvalidListenAddress,
    InvalidNetwork, Limits, ListenAddress, LogOutput, Network, Shutdown, TlsVersion, UnderscoreHeaders,
    Workers,
};
pub use self::registry::{AnySettings, InvalidModule, Kind, Registry, Settings};
pub use self::report::{Code, Coloring, Diagnostic, Report, Severity};
pub use self::schema::schema;
pub use self::source::Place;
