//! Clusters of servers: balancing and health.
