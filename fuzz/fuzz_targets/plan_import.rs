#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| usher_fuzz::checks::plan_import::check(input));
