//! Looks for wishes of clients that lead out of what is there.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headwall_laws::wishes(bytes));
