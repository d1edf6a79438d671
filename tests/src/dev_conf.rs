//! Temporary.
mod answers;
mod deployments;
mod real_peers;
