//! The modules of the handbook's chapters on modules of one's own, as the compiler and a client see them.

mod canary;
mod first;
mod program;
mod shard;
mod signature;

use headwall::Server;
use headwall_upstream::ClusterSettings;

/// A server with the handbook's modules.
pub(super) fn server() -> Server {
    Server::new()
        .filter::<signature::Signature>("signature")
        .service::<canary::Canary>("canary")
        .upstream::<shard::Shard>("shard")
        .upstream::<ClusterSettings<first::OurPolicies>>("night_cluster")
}
