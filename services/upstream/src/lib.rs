//! Clusters: servers that stand for one another.
//!
//! ```yaml
//! upstreams:
//!   app:
//!     servers: ["127.0.0.1:3000", { address: "127.0.0.1:3001", weight: 2 }]
//!     health_check: { path: /health, interval: 10s }
//! ```
//!
//! Requests go to the healthy ones in turn, by weight. A server is checked before it gets its first request, keeps its
//! health and its connections over a reload that does not change the cluster, and is one of the things that `/readyz`
//! speaks of.

mod address;
mod balance;
mod cluster;
mod health;
mod settings;

pub use address::{InvalidServerAddress, ServerAddress};
pub use settings::{ClusterSettings, HealthCheck, Keepalive, ServerSettings};
