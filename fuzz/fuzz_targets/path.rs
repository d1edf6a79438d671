//! Looks for paths that have two spellings, or that leave the root.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headwall_laws::path(bytes));
