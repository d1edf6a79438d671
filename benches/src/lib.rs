//! The side-by-side harness: Headwall, its peers and a bare Pingora proxy under the same load.
//!
//! What is measured first is CPU time per request, because it holds whether the load generator is the limit or the proxy.
//! Every peer does the same work with one worker on one CPU, the load and the origin have another, and the peers take
//! turns within each round, so that a machine that slows down slows all of them. `README.md` beside this crate tells how
//! far the figures can be trusted.
//!
//! * [`arguments`]: what is to be measured;
//! * [`machine`]: CPUs, and who runs where;
//! * [`process`]: a child process, its CPU time and its memory;
//! * [`peer`]: the proxies and their configs; [`origin`]: what stands behind them; [`binaries`]: where they come from;
//! * [`tree`]: the files that are served; [`load`]: what is asked for; [`wrk`]: HTTP load; [`rounds`]: turns, medians and spread; [`report`]: the tables;
//! * [`http`], [`websocket`] and [`tls`]: what is run.

pub mod arguments;
pub mod binaries;
pub mod http;
pub mod load;
pub mod machine;
pub mod origin;
pub mod peer;
pub mod process;
pub mod report;
pub mod rounds;
pub mod tls;
pub mod tree;
pub mod websocket;
pub mod wrk;
