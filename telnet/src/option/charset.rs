//! CHARSET: the two sides agree on a character set by name. RFC 2066.
//!
//! Translate tables are read and refused: nobody sends them, and every program has tables of its own.

use alloc::{string::String, vec::Vec};

use bytes::{BufMut, Bytes, BytesMut};

use super::ascii;
use crate::{Error, Limits, error::malformed};

const REQUEST: u8 = 1;
const ACCEPTED: u8 = 2;
const REJECTED: u8 = 3;
const TTABLE_IS: u8 = 4;
const TTABLE_REJECTED: u8 = 5;
const TTABLE_ACK: u8 = 6;
const TTABLE_NAK: u8 = 7;
const TTABLE: &[u8] = b"[TTABLE ]";
/// As the RFC has it outside its syntax.
const TTABLE_IN_TEXT: &[u8] = b"[TTABLE]";

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charset {
    /// "One of these?"
    Request {
        /// The highest version of translate tables that the sender takes, if it takes any.
        ttable_version: Option<u8>,
        /// The names, the best first.
        names: Vec<String>,
    },
    /// "This one."
    Accepted(String),
    /// "None of them."
    Rejected,
    /// A translate table, not looked into.
    TtableIs(Bytes),
    /// "No tables, please."
    TtableRejected,
    /// The table arrived.
    TtableAck,
    /// The table did not arrive whole.
    TtableNak,
}

impl Charset {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another shape or a name that is not printable ASCII, [`Error::Unsupported`] for an unknown
    /// command, [`Error::LimitExceeded`] for more than [`Limits::max_list_items`].
    pub fn decode(payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        match payload {
            [REQUEST, rest @ ..] => request(rest, limits),
            [ACCEPTED, name @ ..] => Ok(Self::Accepted(ascii(name, "CHARSET")?)),
            [REJECTED] => Ok(Self::Rejected),
            [TTABLE_IS, table @ ..] => Ok(Self::TtableIs(Bytes::copy_from_slice(table))),
            [TTABLE_REJECTED] => Ok(Self::TtableRejected),
            [TTABLE_ACK] => Ok(Self::TtableAck),
            [TTABLE_NAK] => Ok(Self::TtableNak),
            [] => malformed("CHARSET", "it is empty"),
            [1..=7, ..] => malformed("CHARSET", "something follows the command"),
            [other, ..] => Err(Error::Unsupported { what: "CHARSET command", value: (*other).into() }),
        }
    }

    /// Appends the payload. Names are separated by `;`, or by something that none of them has in it.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Request { ttable_version, names } => {
                out.put_u8(REQUEST);
                if let Some(version) = ttable_version {
                    out.put_slice(TTABLE);
                    out.put_u8(*version);
                }
                // Names are printable, so that the last one always does.
                let is_free = |separator: &u8| !names.iter().any(|name| name.as_bytes().contains(separator));
                let separator = b"; ,".iter().copied().find(is_free).unwrap_or(1);
                for name in names {
                    out.put_u8(separator);
                    out.put_slice(name.as_bytes());
                }
            }
            Self::Accepted(name) => {
                out.put_u8(ACCEPTED);
                out.put_slice(name.as_bytes());
            }
            Self::Rejected => out.put_u8(REJECTED),
            Self::TtableIs(table) => {
                out.put_u8(TTABLE_IS);
                out.put_slice(table);
            }
            Self::TtableRejected => out.put_u8(TTABLE_REJECTED),
            Self::TtableAck => out.put_u8(TTABLE_ACK),
            Self::TtableNak => out.put_u8(TTABLE_NAK),
        }
    }

    /// The answer of a side that can use `known`: the first name of the request that is one of them, whatever its case.
    /// `None` if `self` wants no answer.
    pub fn answer(&self, known: &[String]) -> Option<Self> {
        match self {
            Self::Request { names, .. } => {
                let name = names.iter().find(|name| known.iter().any(|known| known.eq_ignore_ascii_case(name)));
                Some(name.map_or(Self::Rejected, |name| Self::Accepted(name.clone())))
            }
            Self::TtableIs(_) => Some(Self::TtableRejected),
            _ => None,
        }
    }
}

fn request(rest: &[u8], limits: &Limits) -> Result<Charset, Error> {
    let (ttable_version, list) = match rest.strip_prefix(TTABLE).or_else(|| rest.strip_prefix(TTABLE_IN_TEXT)) {
        Some([version, list @ ..]) => (Some(*version), list),
        Some([]) => return malformed("CHARSET", "TTABLE has no version"),
        None => (None, rest),
    };
    let Some((separator, list)) = list.split_first() else {
        return Ok(Charset::Request { ttable_version, names: Vec::new() });
    };
    let mut names = Vec::new();
    for name in list.split(|byte| byte == separator) {
        limits.list_items(names.len() + 1)?;
        names.push(ascii(name, "CHARSET")?);
    }
    Ok(Charset::Request { ttable_version, names })
}
