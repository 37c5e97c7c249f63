//! VNC Authentication: a password proved by encrypting a challenge with it.
//!
//! Spec: RFC 6143 §7.2.2.

use des::{
    Des,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use zeroize::Zeroize;

/// Length of a challenge and of its response, in bytes.
pub(crate) const CHALLENGE_BYTES: usize = 16;

/// A password for VNC Authentication. Only its first eight bytes count: that is all the scheme takes.
///
/// It is wiped when dropped and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password([u8; 8]);

impl Password {
    /// The first eight bytes of `password`.
    pub fn new(password: impl AsRef<[u8]>) -> Self {
        let mut key = [0; 8];
        for (to, from) in key.iter_mut().zip(password.as_ref()) {
            *to = *from;
        }
        Self(key)
    }

    /// What proves that this password is known, for a challenge.
    pub fn response(&self, challenge: [u8; CHALLENGE_BYTES]) -> [u8; CHALLENGE_BYTES] {
        // Every implementation feeds DES the bits of each byte of the key in reverse.
        let mut key = self.0.map(u8::reverse_bits);
        let cipher = Des::new(&key.into());
        key.zeroize();
        let mut response = challenge;
        for block in response.chunks_exact_mut(8) {
            if let Ok(block) = block.try_into() {
                cipher.encrypt_block(block);
            }
        }
        response
    }

    /// Whether `response` proves that the peer knows this password, in a time that does not depend on the answer.
    pub fn verify(&self, challenge: [u8; CHALLENGE_BYTES], response: [u8; CHALLENGE_BYTES]) -> bool {
        let expected = self.response(challenge);
        expected.iter().zip(&response).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl core::fmt::Debug for Password {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Password(..)")
    }
}
