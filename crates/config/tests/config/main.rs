//! The reader from outside: golden files of errors, what a good file becomes, the schema, and arbitrary text.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod arbitrary;
mod golden;
mod modules;
mod reading;
mod schema;
