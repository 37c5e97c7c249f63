//! Any bytes as frames: what is read is written back the same.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::tunnel::frame(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run tunnel_frame`");
}
