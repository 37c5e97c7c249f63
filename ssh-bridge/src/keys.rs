//! Keys, as far as a connection needs them: public keys with fingerprints, private keys that sign.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use russh::keys::{self, HashAlg, key::PublicKeyExt, ssh_key};

/// Bounds on what is read. Every default is finite.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// A key with all its armour, in bytes.
    pub max_file_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_file_bytes: 64 * 1024 }
    }
}

impl Limits {
    fn file(&self, bytes: usize) -> Result<(), Error> {
        if bytes > self.max_file_bytes {
            Err(Error::TooCostly { got: bytes, max: self.max_file_bytes })
        } else {
            Ok(())
        }
    }
}

/// Why a key cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key is encrypted and no passphrase was given: ask for it.
    #[error("the key is encrypted: its passphrase is needed")]
    NeedsPassphrase,
    /// The key does not open with this passphrase: ask again.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// Not a key, or a damaged one.
    #[error("not a readable key: {reason}")]
    Corrupt {
        /// What is wrong with it.
        reason: String,
    },
    /// Longer than [`Limits::max_file_bytes`].
    #[error("a key of {got} bytes exceeds the limit of {max}")]
    TooCostly {
        /// Its length.
        got: usize,
        /// What is allowed.
        max: usize,
    },
}

/// The algorithm of a key, by its name in SSH: an open space of names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// `ssh-rsa`: RSA, whatever hash it signs with.
    Rsa,
    /// Any other.
    Other(String),
}

impl Algorithm {
    /// The name in SSH.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Rsa => "ssh-rsa",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A public key: the blob of the wire (RFC 4253 §6.6), and a comment that has no part in comparisons.
#[derive(Clone, Eq)]
pub struct PublicKey {
    blob: Vec<u8>,
    algorithm: Algorithm,
    comment: String,
    fingerprint: Fingerprint,
    bits: Option<u64>,
}

impl PublicKey {
    /// The key of one line: `ssh-ed25519 AAAA… comment`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::TooCostly`].
    pub fn decode(input: &[u8], limits: &Limits) -> Result<Self, Error> {
        limits.file(input.len())?;
        let line = std::str::from_utf8(input).map_err(corrupt)?;
        let mut words = line.split_whitespace();
        let (Some(name), Some(base64)) = (words.next(), words.next()) else {
            return Err(corrupt("a public key is a line of type, base64 and comment"));
        };
        let blob = STANDARD.decode(base64).map_err(corrupt)?;
        let mut key = Self::from_blob(&blob, limits)?;
        if key.algorithm.name() != name {
            return Err(corrupt(format!("the line says {name}, the key {}", key.algorithm)));
        }
        key.comment = words.collect::<Vec<_>>().join(" ");
        Ok(key)
    }

    /// The key of a blob as it goes over the wire and, in base64, into files.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not exactly one key of an algorithm that is known; [`Error::TooCostly`].
    pub fn from_blob(blob: &[u8], limits: &Limits) -> Result<Self, Error> {
        limits.file(blob.len())?;
        let key = ssh_key::PublicKey::decode(blob).map_err(corrupt)?;
        if key.to_bytes().map_err(corrupt)? != blob {
            return Err(corrupt("the key does not end where its text ends"));
        }
        let ssh_key::Fingerprint::Sha256(hash) = key.fingerprint(HashAlg::Sha256) else {
            return Err(corrupt("no fingerprint"));
        };
        let (algorithm, bits) = match key.key_data().rsa() {
            Some(rsa) => (Algorithm::Rsa, Some(bits(rsa.n().as_positive_bytes().unwrap_or_default()))),
            None => (Algorithm::Other(key.algorithm().to_string()), None),
        };
        Ok(Self { blob: blob.to_vec(), algorithm, comment: String::new(), fingerprint: Fingerprint(hash), bits })
    }

    /// The blob of the wire.
    #[must_use]
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }

    /// What stands behind the key in its line.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Its SHA-256, as people compare it.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The size of the modulus in bits, for RSA.
    #[must_use]
    pub const fn bits(&self) -> Option<u64> {
        self.bits
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    /// [`PublicKey::decode`] with the default limits.
    fn from_str(line: &str) -> Result<Self, Error> {
        Self::decode(line.as_bytes(), &Limits::default())
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
        write!(f, "PublicKey({} {})", self.algorithm, self.fingerprint)
    }
}

/// The SHA-256 of a public key's blob, shown as `SHA256:…` the way OpenSSH does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The hash itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

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

/// A private key that can sign. Wiped when the last clone is dropped.
#[derive(Clone)]
pub struct PrivateKey {
    key: Arc<ssh_key::PrivateKey>,
    public: PublicKey,
}

impl PrivateKey {
    /// Reads a private key from its text: OpenSSH's own format, PEM, PKCS#8 or PuTTY's.
    ///
    /// An encrypted key is made slow to open on purpose: not for an async thread.
    ///
    /// # Errors
    ///
    /// [`Error::NeedsPassphrase`], [`Error::WrongPassphrase`], [`Error::TooCostly`], or [`Error::Corrupt`] for everything
    /// else.
    pub fn decode(input: &[u8], passphrase: Option<&[u8]>, limits: &Limits) -> Result<Self, Error> {
        limits.file(input.len())?;
        let text = std::str::from_utf8(input).map_err(corrupt)?;
        let passphrase = passphrase.map(std::str::from_utf8).transpose().map_err(|_| Error::WrongPassphrase)?;
        let key = match keys::decode_secret_key(text, passphrase) {
            Ok(key) if key.is_encrypted() => return Err(Error::NeedsPassphrase),
            Ok(key) => key,
            Err(keys::Error::KeyIsEncrypted | keys::Error::SshKey(ssh_key::Error::Encrypted)) => {
                return Err(Error::NeedsPassphrase);
            }
            Err(_) if passphrase.is_some() => return Err(Error::WrongPassphrase),
            Err(error) => return Err(corrupt(error)),
        };
        let mut public = PublicKey::from_blob(&key.public_key().to_bytes().map_err(corrupt)?, limits)?;
        public.comment = key.comment().to_string();
        Ok(Self { key: Arc::new(key), public })
    }

    /// Its public half: the line for the server's `authorized_keys`.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The same key as russh has it.
    pub(crate) fn to_russh(&self) -> Result<Arc<ssh_key::PrivateKey>, Error> {
        Ok(self.key.clone())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} {})", self.public.algorithm, self.public.fingerprint)
    }
}

/// How many bits a big-endian number has.
fn bits(number: &[u8]) -> u64 {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    let Some(first) = digits.next() else { return 0 };
    u64::from(8 - first.leading_zeros()) + u64::try_from(digits.count()).unwrap_or(u64::MAX).saturating_mul(8)
}

fn corrupt(error: impl fmt::Display) -> Error {
    Error::Corrupt { reason: error.to_string() }
}
