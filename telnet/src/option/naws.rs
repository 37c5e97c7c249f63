//! NAWS: the size of the window. RFC 1073.

use bytes::{BufMut, BytesMut};

use crate::{Error, error::malformed};

/// Columns and rows of characters; 0 is "not known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WindowSize {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

impl WindowSize {
    /// Reads a payload: two numbers of 16 bits.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is not four bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        match *payload {
            [a, b, c, d] => Ok(Self { columns: u16::from_be_bytes([a, b]), rows: u16::from_be_bytes([c, d]) }),
            _ => malformed("NAWS", "it is not four bytes"),
        }
    }

    /// Appends the payload.
    pub fn encode(self, out: &mut BytesMut) {
        out.put_u16(self.columns);
        out.put_u16(self.rows);
    }

    /// The nearest smaller size without a byte of 255. busybox telnetd takes four bytes whatever they are, so that
    /// the rest of a doubled 255 becomes typed input.
    #[must_use]
    pub fn without_255(self) -> Self {
        let smaller = |size: u16| {
            let [high, low] = size.to_be_bytes();
            u16::from_be_bytes([high.min(254), low.min(254)])
        };
        Self { columns: smaller(self.columns), rows: smaller(self.rows) }
    }
}
