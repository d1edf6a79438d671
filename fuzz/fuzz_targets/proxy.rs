//! Looks for PROXY headers that are read in two ways, or too far.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headwall_laws::proxy(bytes));
