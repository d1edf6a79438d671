//! Looks for configs that are not answered, or mean something else when they are printed.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headwall_laws::config(bytes));
