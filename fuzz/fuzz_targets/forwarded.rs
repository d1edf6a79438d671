//! Looks for forward headers by which a client can choose its address.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headwall_laws::forwarded(bytes));
