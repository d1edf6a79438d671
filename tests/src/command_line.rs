//! The command line, as an operator meets it: the real binary, in a process of its own.

mod check;
mod demo;
mod explain;
mod prints;
pub(crate) mod process;
mod run;
mod signals;
