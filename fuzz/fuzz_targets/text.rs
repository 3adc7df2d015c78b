//! Any text of a station, in every OCPP version.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| chargebook_gateway::fuzz::text(input));
