//! Any payload, as the request of every action.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| chargebook_gateway::fuzz::payload(input));
