//! Looks for values that mean something else when they are printed.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headwall_laws::rate(bytes));
