//! Integration tests live in `integration.rs`; this package has no library.
