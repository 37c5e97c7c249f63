//! Keys, as far as a connection needs them: public keys with fingerprints, private keys that sign.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use russh::keys::{
    self, HashAlg,
    key::PublicKeyExt,
    ssh_key::{self, LineEnding},
};
use zeroize::Zeroizing;

/// Why a key could not be read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The private key is encrypted and no passphrase was given.
    #[error("the private key is encrypted: its passphrase is needed")]
    NeedsPassphrase,
    /// The passphrase does not open the private key.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// Not a key, or a damaged one.
    #[error("not a readable key: {reason}")]
    Corrupt {
        /// What is wrong with it.
        reason: String,
    },
}

/// A public key: the blob of the wire (RFC 4253 §6.6), and a comment that has no part in comparisons.
#[derive(Clone, Eq)]
pub struct PublicKey {
    blob: Vec<u8>,
    algorithm: String,
    comment: String,
    fingerprint: Fingerprint,
    rsa_bits: Option<usize>,
}

impl PublicKey {
    /// The key of a blob as it stands on the wire and, in base64, in files.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not one whole key of a known algorithm.
    pub fn from_blob(blob: &[u8]) -> Result<Self, Error> {
        let key = ssh_key::PublicKey::decode(blob).map_err(corrupt)?;
        if key.to_bytes().map_err(corrupt)? != blob {
            return Err(Error::Corrupt { reason: "the key does not end where its text ends".into() });
        }
        let fingerprint = match key.fingerprint(HashAlg::Sha256) {
            ssh_key::Fingerprint::Sha256(hash) => Fingerprint(hash),
            other => return Err(corrupt(other)),
        };
        let algorithm = key.algorithm().to_string();
        let rsa_bits = key.key_data().rsa().map(|rsa| bits(rsa.n().as_positive_bytes().unwrap_or_default()));
        Ok(Self { blob: blob.to_vec(), algorithm, comment: String::new(), fingerprint, rsa_bits })
    }

    /// The blob of the wire.
    #[must_use]
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The name of the key's type, such as `ssh-ed25519` or `ssh-rsa`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// What stands behind the key in its line.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The SHA-256 fingerprint.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl PublicKey {
    /// The size of an RSA key's modulus in bits; `None` for other keys.
    #[must_use]
    pub const fn rsa_bits(&self) -> Option<usize> {
        self.rsa_bits
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    /// Reads the one-line form: `ssh-ed25519 AAAA… comment`.
    fn from_str(line: &str) -> Result<Self, Error> {
        let mut words = line.split_whitespace();
        let (Some(name), Some(base64)) = (words.next(), words.next()) else {
            return Err(Error::Corrupt { reason: "a public key is a line of type, base64 and comment".into() });
        };
        let blob = STANDARD.decode(base64).map_err(corrupt)?;
        let mut key = Self::from_blob(&blob)?;
        if key.algorithm != name {
            return Err(Error::Corrupt { reason: format!("the line says {name}, the key {}", key.algorithm) });
        }
        key.comment = words.collect::<Vec<_>>().join(" ");
        Ok(key)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, STANDARD.encode(&self.blob))?;
        if self.comment.is_empty() { Ok(()) } else { write!(f, " {}", self.comment) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm, self.fingerprint())
    }
}

/// The SHA-256 of a public key's blob, shown as `SHA256:…` the way OpenSSH does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What to make with [`PrivateKey::generate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// ECDSA over NIST P-256.
    EcdsaP256,
    /// RSA of 4096 bits. Takes seconds: not for the thread of a runtime.
    Rsa4096,
}

/// A private key that can sign. Wiped when the last clone is dropped.
#[derive(Clone)]
pub struct PrivateKey(Arc<ssh_key::PrivateKey>);

impl PrivateKey {
    /// Reads a private key from its text: OpenSSH's own format, PEM, PKCS#8 or PuTTY's.
    ///
    /// An encrypted key is made slow to open on purpose: not for the thread of a runtime.
    ///
    /// # Errors
    ///
    /// [`Error::NeedsPassphrase`], [`Error::WrongPassphrase`], or [`Error::Corrupt`] for everything else.
    pub fn parse(text: &str, passphrase: Option<&str>) -> Result<Self, Error> {
        match keys::decode_secret_key(text, passphrase) {
            Ok(key) if key.is_encrypted() => Err(Error::NeedsPassphrase),
            Ok(key) => Ok(Self(Arc::new(key))),
            Err(keys::Error::KeyIsEncrypted) => Err(Error::NeedsPassphrase),
            Err(keys::Error::SshKey(ssh_key::Error::Encrypted)) => Err(Error::NeedsPassphrase),
            Err(_) if passphrase.is_some() => Err(Error::WrongPassphrase),
            Err(error) => Err(corrupt(error)),
        }
    }

    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the machine gives no randomness.
    pub fn generate(kind: KeyKind) -> Result<Self, Error> {
        let algorithm = match kind {
            KeyKind::Ed25519 => keys::Algorithm::Ed25519,
            KeyKind::EcdsaP256 => keys::Algorithm::Ecdsa { curve: keys::EcdsaCurve::NistP256 },
            KeyKind::Rsa4096 => keys::Algorithm::Rsa { hash: None },
        };
        let key = ssh_key::PrivateKey::random(&mut keys::key::safe_rng(), algorithm).map_err(corrupt)?;
        Ok(Self(Arc::new(key)))
    }

    /// The half for the server's `authorized_keys`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the key has no public half that can be written.
    pub fn public_key(&self) -> Result<PublicKey, Error> {
        let public = self.0.public_key();
        let mut key = PublicKey::from_blob(&public.to_bytes().map_err(corrupt)?)?;
        key.comment = public.comment().to_string();
        Ok(key)
    }

    /// The key in OpenSSH's format, not encrypted.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the key cannot be written in it.
    pub fn to_openssh(&self) -> Result<Zeroizing<String>, Error> {
        self.0.to_openssh(LineEnding::LF).map_err(corrupt)
    }

    pub(crate) fn signs_with(&self, hash: Option<HashAlg>) -> keys::PrivateKeyWithHashAlg {
        keys::PrivateKeyWithHashAlg::new(self.0.clone(), hash)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.0.algorithm())
    }
}

/// The length of a big-endian number in bits.
fn bits(number: &[u8]) -> usize {
    let mut significant = number.iter().skip_while(|byte| **byte == 0);
    let Some(first) = significant.next() else { return 0 };
    let first = usize::BITS - usize::from(*first).leading_zeros();
    significant.count() * 8 + usize::try_from(first).unwrap_or_default()
}

fn corrupt(error: impl fmt::Display) -> Error {
    Error::Corrupt { reason: error.to_string() }
}
