//! Two machines and an adversarial wire: every byte once and in order, memory bounded, progress always.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    towline_fuzz::tunnel::two_connections(data);
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run tunnel_two_connections`");
}
