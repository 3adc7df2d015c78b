//! Any text, as the answer to every request of ours, with any payload.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (request, text) = input;
    chargebook_gateway::fuzz::answer(request, text);
});
