//! Any bytes, as a compressed message.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| chargebook_gateway::fuzz::compressed(input));
