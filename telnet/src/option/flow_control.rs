//! TOGGLE-FLOW-CONTROL: whether XOFF and XON stop the user's terminal. RFC 1372.

use bytes::{BufMut, BytesMut};

use crate::{Error, error::malformed};

/// A payload of the option, from the server. Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowControl(pub u8);

impl FlowControl {
    /// XOFF and XON are characters like any other.
    pub const OFF: Self = Self(0);
    /// XOFF stops the output.
    pub const ON: Self = Self(1);
    /// After XOFF, any character starts it again.
    pub const RESTART_ANY: Self = Self(2);
    /// After XOFF, only XON starts it again.
    pub const RESTART_XON: Self = Self(3);

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is not one byte.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        match *payload {
            [mode] => Ok(Self(mode)),
            _ => malformed("TOGGLE-FLOW-CONTROL", "it is not one byte"),
        }
    }

    /// Appends the payload.
    pub fn encode(self, out: &mut BytesMut) {
        out.put_u8(self.0);
    }
}
