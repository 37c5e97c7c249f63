//! Tokens to bytes and back.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::telnet::round_trip(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run telnet_round_trip`");
}
