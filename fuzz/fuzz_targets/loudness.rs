#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| backends::media::fuzzing::loudness(bytes));
