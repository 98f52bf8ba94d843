#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lyceum::media::fuzzing::transcoder_notice(bytes));
