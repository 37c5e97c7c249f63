//! The law every machine obeys, and the oracles that fuzzing, property tests and corpus replay share.
//!
//! Nothing imports this crate. libFuzzer (`fuzz_targets/`), proptest and the replay of saved inputs (`tests/`) call the
//! same functions, so that an input found by one is a test for all.
//!
//! ```
//! // Each oracle takes any bytes and panics if a law is broken.
//! towline_fuzz::keys::known_hosts(b"any bytes");
//! towline_fuzz::rfb::decoder(b"any bytes");
//! towline_fuzz::telnet::parse(b"any bytes");
//! towline_fuzz::tunnel::frame(b"\x08\x00\x00\x08\x00\x00\x00\x0012345678");
//! towline_fuzz::tunnel::connection(b"any bytes");
//! towline_fuzz::tunnel::two_connections(b"any script");
//! ```

#![forbid(unsafe_code)]

pub mod keys;
pub mod law;
pub mod rfb;
pub mod script;
pub mod telnet;
pub mod tunnel;
