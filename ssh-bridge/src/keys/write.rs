//! Writing keys: which container, and with which passphrase.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::keys::{Error, Format, PrivateKey, PublicKey, der_keys, openssh_key_v1, pem, pkcs8, putty, rfc4716, text};

/// How a private key is encrypted: the passphrase, and how costly it is made to try passphrases.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Encryption<'a> {
    /// The passphrase; not empty.
    pub passphrase: &'a [u8],
    /// For openssh-key-v1.
    pub bcrypt_rounds: u32,
    /// For PKCS#8.
    pub pbkdf2_iterations: u32,
    /// For PuTTY's, in KiB.
    pub argon2_kib: u32,
    /// For PuTTY's.
    pub argon2_passes: u32,
}

impl<'a> Encryption<'a> {
    /// With costs of some tenths of a second.
    ///
    /// # Errors
    ///
    /// [`Error::NeedsPassphrase`] if it is empty.
    pub fn new(passphrase: &'a [u8]) -> Result<Self, Error> {
        if passphrase.is_empty() {
            return Err(Error::NeedsPassphrase);
        }
        Ok(Self { passphrase, bcrypt_rounds: 24, pbkdf2_iterations: 600_000, argon2_kib: 8 * 1024, argon2_passes: 21 })
    }
}

impl std::fmt::Debug for Encryption<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Encryption([secret])")
    }
}

impl PrivateKey {
    /// The key as a file of this format, in the clear or encrypted. `rng` is for salts, IVs and check numbers.
    ///
    /// [`Format::Pkcs1`], [`Format::Sec1`] and [`Format::PemDsa`] are one and the same request: PEM as OpenSSL had it for
    /// the key's algorithm. Their encryption is weak, however good the cipher.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the format is not written, or has no place for keys of this algorithm.
    pub fn encode(
        &self,
        format: Format,
        encryption: Option<&Encryption<'_>>,
        rng: &mut impl CryptoRng,
    ) -> Result<Zeroizing<String>, Error> {
        match format {
            Format::OpensshKeyV1 => openssh_key_v1::encode(self, encryption, rng),
            Format::Pkcs1 | Format::Sec1 | Format::PemDsa => pem::encode(self, encryption, rng),
            Format::Pkcs8 => pkcs8::encode(self, encryption, rng),
            Format::Ppk3 => putty::encode(self, encryption, rng),
            other => Err(Error::unsupported("format to write a private key in", other.name())),
        }
    }
}

impl PublicKey {
    /// The key as a file of this format: [`Format::OneLine`], [`Format::Rfc4716`] or [`Format::Spki`].
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the format is not written, or has no place for keys of this algorithm.
    pub fn encode(&self, format: Format) -> Result<String, Error> {
        match format {
            Format::OneLine => Ok(format!("{self}\n")),
            Format::Rfc4716 => rfc4716::encode(self),
            Format::Spki => {
                let der = der_keys::encode_spki(self)?;
                Ok(text::armoured("PUBLIC KEY", "", &der, 64).to_string())
            }
            other => Err(Error::unsupported("format to write a public key in", other.name())),
        }
    }
}
