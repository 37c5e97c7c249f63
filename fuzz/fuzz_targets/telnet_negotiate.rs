//! Two Telnet connections against each other: silent in the end, and of one opinion.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::telnet::negotiate(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run telnet_negotiate`");
}
