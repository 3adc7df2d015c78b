//! Any payload, as the request of every action, and as what is sent without an answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| chargebook_gateway::fuzz::payload(input));
