//! ENCRYPTION: decoded, so that it can be seen and logged; none is implemented. RFC 2946.
//!
//! Its ciphers are broken. The length of a key id is what the peer says and nothing is copied by it
//! (CVE-2011-4862).

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, error::malformed};

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// Data of an encryption type, from the encrypting side.
    Is(Bytes),
    /// The types the sender of this can decrypt.
    Support(Bytes),
    /// The answer to [`Encryption::Is`].
    Reply(Bytes),
    /// From the next byte on it is encrypted, with this key id.
    Start(Bytes),
    /// From the next byte on it is not.
    End,
    /// "Please encrypt", with this key id.
    RequestStart(Bytes),
    /// "Please do not."
    RequestEnd,
    /// The key id for encrypting.
    EncryptionKeyId(Bytes),
    /// The key id for decrypting.
    DecryptionKeyId(Bytes),
}

impl Encryption {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is empty or has more than it may, [`Error::Unsupported`] for an unknown command.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        let Some((&command, rest)) = payload.split_first() else { return malformed("ENCRYPTION", "it is empty") };
        let data = || Bytes::copy_from_slice(rest);
        Ok(match command {
            0 => Self::Is(data()),
            1 => Self::Support(data()),
            2 => Self::Reply(data()),
            3 => Self::Start(data()),
            4 | 6 if !rest.is_empty() => return malformed("ENCRYPTION", "something follows the command"),
            4 => Self::End,
            5 => Self::RequestStart(data()),
            6 => Self::RequestEnd,
            7 => Self::EncryptionKeyId(data()),
            8 => Self::DecryptionKeyId(data()),
            other => return Err(Error::Unsupported { what: "ENCRYPTION command", value: other.into() }),
        })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        let (command, data) = match self {
            Self::Is(data) => (0, data.as_ref()),
            Self::Support(data) => (1, data.as_ref()),
            Self::Reply(data) => (2, data.as_ref()),
            Self::Start(data) => (3, data.as_ref()),
            Self::End => (4, &[][..]),
            Self::RequestStart(data) => (5, data.as_ref()),
            Self::RequestEnd => (6, &[][..]),
            Self::EncryptionKeyId(data) => (7, data.as_ref()),
            Self::DecryptionKeyId(data) => (8, data.as_ref()),
        };
        out.put_u8(command);
        out.put_slice(data);
    }
}
