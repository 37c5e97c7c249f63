//! AUTHENTICATION: decoded, so that it can be seen and logged; no type of it is implemented. RFC 2941.

use alloc::{string::String, vec::Vec};

use bytes::{BufMut, Bytes, BytesMut};

use super::utf8;
use crate::{Error, Limits, error::malformed};

const IS: u8 = 0;
const SEND: u8 = 1;
const REPLY: u8 = 2;
const NAME: u8 = 3;

/// A type of authentication and its modifiers. Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method {
    /// The type; 0 is none.
    pub kind: u8,
    /// Who authenticates whom, and more.
    pub modifiers: u8,
}

impl Method {
    /// No authentication.
    pub const NULL: Self = Self { kind: 0, modifiers: 0 };
}

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// The server offers these, the best first.
    Send(Vec<Method>),
    /// The client answers with data of a type.
    Is(Method, Bytes),
    /// The server answers that.
    Reply(Method, Bytes),
    /// The account.
    Name(String),
}

impl Authentication {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another shape, [`Error::Unsupported`] for an unknown command, [`Error::LimitExceeded`] for
    /// more than [`Limits::max_list_items`].
    pub fn decode(payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        match payload {
            [SEND, pairs @ ..] => {
                limits.list_items(pairs.len() / 2)?;
                let (pairs, rest) = pairs.as_chunks::<2>();
                if !rest.is_empty() {
                    return malformed("AUTHENTICATION", "a type has no modifiers");
                }
                Ok(Self::Send(pairs.iter().map(|&[kind, modifiers]| Method { kind, modifiers }).collect()))
            }
            [IS, kind, modifiers, data @ ..] => {
                Ok(Self::Is(Method { kind: *kind, modifiers: *modifiers }, Bytes::copy_from_slice(data)))
            }
            [REPLY, kind, modifiers, data @ ..] => {
                Ok(Self::Reply(Method { kind: *kind, modifiers: *modifiers }, Bytes::copy_from_slice(data)))
            }
            [NAME, name @ ..] => Ok(Self::Name(utf8(name, "AUTHENTICATION")?)),
            [IS | REPLY, ..] => malformed("AUTHENTICATION", "it ends before the type"),
            [other, ..] => Err(Error::Unsupported { what: "AUTHENTICATION command", value: (*other).into() }),
            [] => malformed("AUTHENTICATION", "it is empty"),
        }
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Send(methods) => {
                out.put_u8(SEND);
                methods.iter().for_each(|method| out.put_slice(&[method.kind, method.modifiers]));
            }
            Self::Is(method, data) => {
                out.put_slice(&[IS, method.kind, method.modifiers]);
                out.put_slice(data);
            }
            Self::Reply(method, data) => {
                out.put_slice(&[REPLY, method.kind, method.modifiers]);
                out.put_slice(data);
            }
            Self::Name(name) => {
                out.put_u8(NAME);
                out.put_slice(name.as_bytes());
            }
        }
    }
}
