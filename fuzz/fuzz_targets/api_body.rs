//! Bodies of the API as JSON and as forms of both kinds, held against a declaration.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lyceum::web::rest::fuzzing::api_body(bytes));
