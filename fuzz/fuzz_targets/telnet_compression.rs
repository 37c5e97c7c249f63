//! The parser: any bytes, and valid sessions, cut anywhere, against a framer of a few lines.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::telnet::compression(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run telnet_compression`");
}
