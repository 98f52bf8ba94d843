#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lyceum::courses::fuzzing::video_url(bytes));
