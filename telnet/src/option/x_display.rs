//! X-DISPLAY-LOCATION: where the user's X server is. RFC 1096.

use alloc::string::String;

use bytes::{BufMut, BytesMut};

use super::ascii;
use crate::{Error, error::malformed};

const IS: u8 = 0;
const SEND: u8 = 1;

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XDisplay {
    /// "Where?"
    Send,
    /// `host:display.screen`.
    Is(String),
}

impl XDisplay {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] unless it is SEND, or IS and printable ASCII.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        match payload {
            [SEND] => Ok(Self::Send),
            [IS, location @ ..] => Ok(Self::Is(ascii(location, "X-DISPLAY-LOCATION")?)),
            _ => malformed("X-DISPLAY-LOCATION", "it is neither SEND nor IS"),
        }
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Send => out.put_u8(SEND),
            Self::Is(location) => {
                out.put_u8(IS);
                out.put_slice(location.as_bytes());
            }
        }
    }
}
