//! GMCP: messages with a name and JSON, beside a MUD's text.

use alloc::string::String;

use bytes::{BufMut, BytesMut};

use super::utf8;
use crate::{Error, error::malformed};

/// A payload of the option. The JSON is not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gmcp {
    /// Package and message, such as `Char.Vitals`; without spaces.
    pub name: String,
    /// What follows the first space, as it is.
    pub json: Option<String>,
}

impl Gmcp {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is not UTF-8, or has no name.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        let text = utf8(payload, "GMCP")?;
        let (name, json) = match text.split_once(' ') {
            Some((name, json)) => (name, Some(json.into())),
            None => (text.as_str(), None),
        };
        if name.is_empty() {
            return malformed("GMCP", "it has no name");
        }
        Ok(Self { name: name.into(), json })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_slice(self.name.as_bytes());
        if let Some(json) = &self.json {
            out.put_u8(b' ');
            out.put_slice(json.as_bytes());
        }
    }
}
