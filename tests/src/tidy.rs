//! The rules that keep the project in shape, each as a test: a rule that nothing checks is a rule of last year.
//!
//! What a rule is about is read from manifests and sources. The drawing of the crates is read from ARCHITECTURE.md, so
//! that it cannot say anything but what the manifests say.

pub(crate) mod files;
mod manifests;
mod sources;
