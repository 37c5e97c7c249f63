//! Randomness and the hash that secrets are stored as.

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The operating system's random source failed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the random source of this machine failed")]
pub(crate) struct NoRandom;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// An object's id: a random integer of 63 bits as a decimal string, never zero.
pub(crate) fn id() -> Result<String, NoRandom> {
    let number = u64::from_be_bytes(bytes()?) >> 1;
    Ok(number.max(1).to_string())
}

/// 256 random bits as text behind a prefix: what a bearer token is.
pub(crate) fn secret(prefix: &str) -> Result<String, NoRandom> {
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes::<32>()?)))
}

/// SHA-256 in hex: what the store keeps of a secret that is itself random.
pub(crate) fn sha256_hex(input: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, input).as_ref())
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
