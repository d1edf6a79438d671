//! Clusters: servers that stand for one another.
//!
//! ```yaml
//! upstreams:
//!   app:
//!     servers: ["127.0.0.1:3000", { address: "127.0.0.1:3001", weight: 2 }]
//!     health_check: { path: /health, interval: 10s }
//! ```
//!
//! Requests go to those that are available, in turn or by another [policy]. A server is checked before it gets its first
//! request, keeps its health and its connections over a reload that does not change it, and is one of the things that
//! `/readyz` speaks of. All servers of a cluster are spoken to in the same way: plain or in TLS, in one HTTP or the other.

mod address;
mod board;
mod breaker;
mod cluster;
mod dialect;
mod discovery;
mod health;
mod passive;
pub mod policy;
mod queue;
mod roster;
mod server;
mod settings;
mod standing;
mod sticky;
mod tls;
mod token;

pub use address::{InvalidServerAddress, Place, Scheme, ServerAddress};
pub use breaker::BreakerSettings;
pub use discovery::DnsSettings;
pub use health::{CheckMethod, GrpcCheck, HealthCheck, InvalidStatusRange, StatusRange};
pub use passive::PassiveHealth;
pub use policy::{Ask, Candidate, Pick, Policies, Policy, StandardPolicies};
pub use queue::QueueSettings;
pub use server::Server;
pub use settings::{ClusterSettings, Keepalive, ServerSettings};
pub use standing::Standing;
pub use sticky::StickySettings;
pub use tls::{TlsSettings, UnusableFile};
pub use token::{CookieName, FieldName, InvalidName};
