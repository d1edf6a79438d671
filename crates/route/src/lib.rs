//! Which rule matches a request.
//!
//! Routing takes two steps. The host selects a [`Site`]: the site that names it, else the one with the
//! longest wildcard over it, else the one without hosts. Within that site the best-ranked rule whose matcher
//! accepts the request wins; [`Rank`] says what "best" means. A request never falls through from one site to
//! another, so what a host can reach is read in one place.
//!
//! Both steps expect names in one spelling: [`host_of`] and [`normalise`] bring a request into it, once, and
//! patterns are brought into it when they are parsed. What was matched is then what should be forwarded.
//!
//! The crate knows what a rule accepts and nothing of what it means: the target of a rule is the caller's
//! type.
//!
//! ```
//! use headwall_route::{Matcher, Outcome, PathMatch, Request, RouteTable, Rule, Site, host_of, normalise};
//! use http::{HeaderMap, Method};
//!
//! let api = Matcher { path: PathMatch::prefix("/api")?, ..Matcher::default() };
//! let site = Site {
//!     hosts: vec!["app.example.com".parse()?],
//!     rules: vec![Rule::new([api], "api"), Rule::new([], "spa")],
//!     ..Site::default()
//! };
//! let table = RouteTable::new([site])?;
//!
//! let outcome = table.find(&Request {
//!     host: Some(&host_of("App.Example.com:443")?),
//!     method: &Method::GET,
//!     path: &normalise("/static/..//%61pi/users")?,
//!     query: None,
//!     headers: &HeaderMap::new(),
//! });
//! assert!(matches!(outcome, Outcome::Found(found) if *found.target == "api"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod path;
mod percent;

mod host;

mod matcher;
mod rank;
mod request;

mod site;
mod table;

mod explain;
mod shadow;

#[cfg(test)]
mod fixture;

pub use self::explain::{Explanation, Step, Verdict, WhyNot};
pub use self::host::{HostMap, HostPattern, InvalidHost, InvalidHostPattern, host_of};
pub use self::matcher::{
    HeaderMatch, InvalidHeaderName, InvalidMethod, InvalidPathMatch, InvalidRegex, Matcher, MethodMatch,
    PathMatch, QueryMatch, ValueMatch,
};
pub use self::path::{InvalidPath, normalise};
pub use self::rank::{Position, Rank};
pub use self::request::Request;
pub use self::shadow::Shadowed;
pub use self::site::{Rule, Site};
pub use self::table::{Allow, Conflict, Found, InvalidTable, Outcome, RouteTable};
