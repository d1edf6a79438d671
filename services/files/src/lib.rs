//! Two services for files: `files` serves a directory, `spa` a single-page app.
//!
//! ```yaml
//! routes:
//!   - match: { path_prefix: /downloads }
//!     files: { root: /srv/downloads, strip_prefix: /downloads, listing: true }
//!   - spa: { root: /var/www/app }
//! ```
//!
//! A request goes from its path ([`path`]) to a file below the root ([`tree`], [`finder`]), from there to one of the forms in
//! which it is there ([`resource`], [`encoding`]), through the conditions of the client (`headwall_core::semantics`) to a reply
//! ([`answer`], [`body`]). Whatever may wait for a disk is done off the threads that serve requests, and what the disk has said
//! is believed for a second ([`cache`]).
#![expect(rustdoc::private_intra_doc_links, reason = "this is a map of the crate for its readers")]

mod answer;
mod body;
mod cache;
mod candidate;
mod encoding;
mod files;
mod finder;
mod hashed;
mod listing;
mod navigation;
mod path;
mod resource;
mod serve;
mod settings;
mod spa;
mod stamp;
mod tree;
mod types;

pub use encoding::Encoding;
pub use files::Files;
pub use settings::Memory;
pub use spa::Spa;
