//! MSSP: what a MUD says about itself to crawlers.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, Limits, error::malformed, reader::Reader};

const VAR: u8 = 1;
const VAL: u8 = 2;

/// A payload of the option: variables, each with one value or more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mssp {
    /// The variables, in order.
    pub variables: Vec<(Bytes, Vec<Bytes>)>,
}

impl Mssp {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another shape, [`Error::LimitExceeded`] for more than [`Limits::max_list_items`] in all.
    pub fn decode(payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let mut variables = Vec::new();
        let mut items = 0;
        while let Some(code) = reader.u8() {
            if code != VAR {
                return malformed("MSSP", "a variable does not begin with VAR");
            }
            let name = Bytes::copy_from_slice(reader.until(|byte| matches!(byte, VAR | VAL)));
            let mut values = Vec::new();
            while reader.peek() == Some(VAL) {
                items += 1;
                limits.list_items(items)?;
                reader.u8();
                values.push(Bytes::copy_from_slice(reader.until(|byte| matches!(byte, VAR | VAL))));
            }
            if values.is_empty() {
                return malformed("MSSP", "a name without a value");
            }
            variables.push((name, values));
        }
        Ok(Self { variables })
    }

    /// Appends the payload. Bytes of text that would be taken for structure are left out.
    pub fn encode(&self, out: &mut BytesMut) {
        let text = |text: &[u8], out: &mut BytesMut| {
            text.iter().filter(|byte| !matches!(**byte, VAR | VAL)).for_each(|byte| out.put_u8(*byte));
        };
        for (name, values) in &self.variables {
            out.put_u8(VAR);
            text(name, out);
            for value in values {
                out.put_u8(VAL);
                text(value, out);
            }
        }
    }
}
