//! The `cache` filter: answers of upstreams, kept and given again by the rules of RFC 9111.
//!
//! ```yaml
//! cache: { memory: 256m }
//! ```
//!
//! It is a [`Shortcut`](headwall_core::Shortcut): every filter has passed a request before it is answered from here, wherever
//! in the list the cache stands. What an upstream says of its answers decides ([`directives`], [`storable`],
//! [`freshness`]); nothing is kept that it has said nothing about. A fetch belongs to nobody ([`fill`]): whoever has caused
//! it may leave, and those who want the same wait for it ([`flights`]).

mod credentials;
mod cut;
mod directives;
mod disk;
mod entry;
mod fill;
mod filter;
mod flights;
mod freshness;
mod page;
mod question;
mod serve;
mod settings;
mod status;
mod storable;
mod store;
mod tally;
mod vary;
mod way;

pub use settings::Cache;
