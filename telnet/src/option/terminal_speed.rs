//! TERMINAL-SPEED: bits per second, both ways. RFC 1079.

use alloc::format;

use bytes::{BufMut, BytesMut};

use crate::{Error, error::malformed};

const IS: u8 = 0;
const SEND: u8 = 1;

/// A payload of the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TerminalSpeed {
    /// "Which speed?"
    Send,
    /// The speeds of the terminal.
    Is {
        /// What it sends, in bits per second.
        transmit: u32,
        /// What it receives, in bits per second.
        receive: u32,
    },
}

impl TerminalSpeed {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] unless it is SEND, or IS and two decimal numbers with a comma between.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        match payload {
            [SEND] => Ok(Self::Send),
            [IS, speeds @ ..] => {
                let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
                    true => text.parse().ok(),
                    false => None,
                };
                let pair = core::str::from_utf8(speeds).ok().and_then(|text| text.split_once(','));
                match pair.and_then(|(transmit, receive)| Some((number(transmit)?, number(receive)?))) {
                    Some((transmit, receive)) => Ok(Self::Is { transmit, receive }),
                    None => malformed("TERMINAL-SPEED", "it is not two numbers with a comma between"),
                }
            }
            _ => malformed("TERMINAL-SPEED", "it is neither SEND nor IS"),
        }
    }

    /// Appends the payload.
    pub fn encode(self, out: &mut BytesMut) {
        match self {
            Self::Send => out.put_u8(SEND),
            Self::Is { transmit, receive } => {
                out.put_u8(IS);
                out.put_slice(format!("{transmit},{receive}").as_bytes());
            }
        }
    }
}
