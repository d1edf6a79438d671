//! Headwall as a library.
//!
//! The prebuilt binary is ten lines on top of this crate, and so is one with modules of your own:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use headwall::{async_trait, BoxError, Build, Context, Filter, Flow, LocalReply, Module, RequestHead};
//! # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema, garde::Validate)]
//! # #[garde(allow_unvalidated)]
//! # struct Loyalty { header: String }
//! # impl Module for Loyalty {
//! #     type Makes = dyn Filter;
//! #     fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> { Err("left out here".into()) }
//! # }
//! fn main() -> std::process::ExitCode {
//!     headwall::Server::new().filter::<Loyalty>("loyalty").run()
//! }
//! ```
//!
//! It has the same command line as the prebuilt server, and `loyalty:` can be written into the YAML of any route,
//! checked like everything else there. How to write a filter, a service or an upstream is told in [`headwall_core`],
//! all of which is here too.

mod admin;
mod assemble;
mod cli;
mod explain;
mod https;
mod listeners;
mod modules;
mod running;
mod server;
mod signals;
mod status;
mod tls;

pub use headwall_config as config;
pub use headwall_core::*;
pub use headwall_net::Address;

pub use cli::Subcommand;
pub use running::{ReloadError, Running, StartError};
pub use server::Server;
