//! Payloads of every option: what can be read can be written.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::telnet::subnegotiation(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run telnet_subnegotiation`");
}
