//! Any text, as the answer to every request of ours.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| chargebook_gateway::fuzz::answer(input));
