//! Any path of a handshake.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| chargebook_gateway::fuzz::path(input));
