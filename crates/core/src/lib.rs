//! The framework of Headwall.
//!
//! A request meets three kinds of parts, each a small trait:
//!
//! * a [`Filter`] acts on the requests and responses of a route;
//! * a [`Service`] ends a route: it replies, forwards to an upstream, or opens a tunnel;
//! * an [`Upstream`] picks the [`Peer`] for one attempt.
//!
//! One generic [`Gateway`] runs them on Pingora. It is the only `ProxyHttp` of the project, so every service, ours
//! or yours, is by itself a complete proxy:
//!
//! ```no_run
//! # use headwall_core::{Gateway, reply::LocalReply, Action, Context, BoxError, RequestHead, Service, async_trait};
//! # struct Hello;
//! # #[async_trait]
//! # impl Service for Hello {
//! #     async fn call(&self, _: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
//! #         Ok(Action::Reply(LocalReply::text(http::StatusCode::OK, "hello")))
//! #     }
//! # }
//! # fn host(conf: &std::sync::Arc<pingora_core::server::configuration::ServerConf>) {
//! let proxy = pingora_proxy::http_proxy_service(conf, Gateway::new(Hello));
//! # }
//! ```
//!
//! The order of events for one request is told in [`gateway`]. This crate knows neither YAML nor sockets:
//! `headwall-config` reads the one, `headwall-net` owns the other.

pub mod access_log;
pub mod client;
pub mod connection;
pub mod context;
pub mod error;
pub mod filter;
pub mod forward;
pub mod front;
pub mod gateway;
mod head;
pub mod metrics;
pub mod module;
pub mod proxy_protocol;
pub mod reply;
pub mod route;
pub mod service;
pub mod shortcut;
pub mod table;
pub mod template;
pub mod upstream;
pub mod websocket;

pub use async_trait::async_trait;

pub use context::Context;
pub use error::{BoxError, Error};
pub use filter::{Filter, Flow, Outcome, Phases};
pub use gateway::{Current, Gateway, Settings, Stage, Swap};
pub use head::{RequestHead, ResponseHead, cookie};
/// How requests are matched, for tables that are made in code.
pub use headwall_route as matching;
/// What RFC 9110 says, for whoever answers requests itself.
pub use headwall_semantics as semantics;
pub use headwall_units as units;
pub use metrics::Metrics;
pub use module::{Build, Module};
pub use reply::LocalReply;
pub use route::Route;
pub use service::{Action, Fallback, Forward, Retry, Service, Timeouts, Tunnel, TunnelLimits};
pub use shortcut::Shortcut;
pub use table::Table;
pub use template::Template;
pub use upstream::{
    Attempt, Fetch, Fetched, Inquiry, NamedUpstream, Peer, PeerTls, Protocol, ServerName, Unavailable,
    Unfetched, Upstream,
};
