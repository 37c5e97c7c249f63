//! Fingerprints: how people compare keys.

use std::{fmt, str::FromStr};

use base64ct::{Base64Unpadded, Encoding as _};
use sha2::{Digest as _, Sha256};

use crate::keys::{Error, error::corrupt};

/// The SHA-256 of a public key, shown as `SHA256:` and base64, as OpenSSH does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(blob: &[u8]) -> Self {
        Self(Sha256::digest(blob).into())
    }

    /// The hash itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SHA256:{}", Base64Unpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    /// Reads `SHA256:` and 43 characters of base64; padding may follow.
    fn from_str(text: &str) -> Result<Self, Error> {
        let base64 = text.strip_prefix("SHA256:").ok_or_else(|| Error::unsupported("fingerprint", text))?;
        let mut hash = [0; 32];
        match Base64Unpadded::decode(base64.trim_end_matches('='), &mut hash) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(hash)),
            _ => Err(corrupt("fingerprint", "it is not the base64 of 32 bytes")),
        }
    }
}
