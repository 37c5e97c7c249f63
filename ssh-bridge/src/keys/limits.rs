//! How much of anything a file can make this side hold or do.

use crate::keys::Error;

/// Bounds on what a file may ask for, checked before any work is done for it. Every default is finite.
///
/// ```
/// // A server that opens keys for many people at once.
/// let mut limits = towline_ssh_bridge::keys::Limits::default();
/// limits.max_bcrypt_rounds = 64;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// A key or a certificate with all its armour, in bytes.
    pub max_file_bytes: u32,
    /// A known_hosts or authorized_keys file, in bytes.
    pub max_list_bytes: u32,
    /// Lines of such a file.
    pub max_list_lines: u32,
    /// The modulus of an RSA key, in bits.
    pub max_rsa_bits: u32,
    /// The prime of a DSA key, in bits.
    pub max_dsa_bits: u32,
    /// Rounds of bcrypt: openssh-key-v1. Each takes some 10 ms of a processor.
    pub max_bcrypt_rounds: u32,
    /// Iterations of PBKDF2, of PBKDF1 and of the derivation of PKCS#12: PKCS#8.
    pub max_pbkdf2_iterations: u32,
    /// What scrypt works on, in KiB: PKCS#8.
    pub max_scrypt_kib: u32,
    /// What Argon2 works on, in KiB: PuTTY's version 3.
    pub max_argon2_kib: u32,
    /// What scrypt or Argon2 write in all, in KiB: the memory times the passes or lanes.
    pub max_work_kib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 64 * 1024,
            max_list_bytes: 64 * 1024 * 1024,
            max_list_lines: 1_000_000,
            max_rsa_bits: 16 * 1024,
            max_dsa_bits: 4 * 1024,
            max_bcrypt_rounds: 256,
            max_pbkdf2_iterations: 2_000_000,
            max_scrypt_kib: 64 * 1024,
            max_argon2_kib: 64 * 1024,
            max_work_kib: 4 * 1024 * 1024,
        }
    }
}

impl Limits {
    pub(crate) fn file(&self, bytes: usize) -> Result<(), Error> {
        within("max_file_bytes", wide(bytes), self.max_file_bytes)
    }

    pub(crate) fn list(&self, bytes: usize) -> Result<(), Error> {
        within("max_list_bytes", wide(bytes), self.max_list_bytes)
    }

    pub(crate) fn list_lines(&self, lines: usize) -> Result<(), Error> {
        within("max_list_lines", wide(lines), self.max_list_lines)
    }

    pub(crate) fn rsa(&self, modulus: &[u8]) -> Result<(), Error> {
        within("max_rsa_bits", bits(modulus), self.max_rsa_bits)
    }

    pub(crate) fn dsa(&self, prime: &[u8]) -> Result<(), Error> {
        within("max_dsa_bits", bits(prime), self.max_dsa_bits)
    }

    pub(crate) fn bcrypt(&self, rounds: u32) -> Result<(), Error> {
        within("max_bcrypt_rounds", rounds, self.max_bcrypt_rounds)
    }

    pub(crate) fn pbkdf2(&self, iterations: u64) -> Result<(), Error> {
        within("max_pbkdf2_iterations", iterations, self.max_pbkdf2_iterations)
    }

    pub(crate) fn scrypt(&self, kib: u64, lanes: u64) -> Result<(), Error> {
        within("max_scrypt_kib", kib, self.max_scrypt_kib)?;
        within("max_work_kib", kib.saturating_mul(lanes), self.max_work_kib)
    }

    pub(crate) fn argon2(&self, kib: u32, passes: u32) -> Result<(), Error> {
        within("max_argon2_kib", kib, self.max_argon2_kib)?;
        within("max_work_kib", u64::from(kib) * u64::from(passes), self.max_work_kib)
    }
}

/// How many bits a big-endian number has.
pub(crate) fn bits(number: &[u8]) -> u64 {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    let Some(first) = digits.next() else { return 0 };
    u64::from(8 - first.leading_zeros()) + wide(digits.count()).saturating_mul(8)
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn within(what: &'static str, got: impl Into<u64>, max: impl Into<u64>) -> Result<(), Error> {
    let (got, max) = (got.into(), max.into());
    if got > max { Err(Error::TooCostly { what, got, max }) } else { Ok(()) }
}
