//! START-TLS: both sides say FOLLOWS, then the TLS handshake begins. draft-altman-telnet-starttls.
//!
//! This crate reports it and no more: what follows is for whoever owns the transport.

use bytes::{BufMut, BytesMut};

use crate::{Error, error::malformed};

/// The option's only payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartTls {
    /// After this subnegotiation the sender sends nothing but TLS.
    Follows,
}

impl StartTls {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] unless it is FOLLOWS.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        match payload {
            [1] => Ok(Self::Follows),
            _ => malformed("START-TLS", "it is not FOLLOWS"),
        }
    }

    /// Appends the payload.
    pub fn encode(self, out: &mut BytesMut) {
        out.put_u8(1);
    }
}
