//! Looks for heads that are read in two ways.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headwall_laws::head(bytes));
