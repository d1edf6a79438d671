//! The documents are part of the product, so what they say is tried: configs are read, commands are run, tables are
//! compared with the code, links are followed, and Rust is compiled.
//!
//! Where a document shows what the program says, `UPDATE_EXPECT=1` writes down what it says now.

mod markdown;
mod program;

mod commands;
mod configs;
mod links;
mod reference;
mod tables;

mod extend;
