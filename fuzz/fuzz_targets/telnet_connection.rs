//! One Telnet connection: any bytes, and valid sessions, cut anywhere.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::telnet::connection(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run telnet_connection`");
}
