//! Any bytes as the body of an openssh-key-v1 file: what is read survives being written.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::keys::openssh_key_v1(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run keys_openssh_key_v1`");
}
