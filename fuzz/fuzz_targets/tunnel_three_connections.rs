//! An operator, a relay and a device over adversarial wires: every byte once and in order, memory bounded, progress always.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    towline_fuzz::tunnel::three_connections(data);
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("build this with `cargo +nightly fuzz run tunnel_three_connections`");
}
