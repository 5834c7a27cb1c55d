//! See `zoetrope_worker::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zoetrope_worker::streams::hls::fuzz::playlist(bytes));
