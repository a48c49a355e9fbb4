#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| usher_fuzz::checks::http_request::check(input));
