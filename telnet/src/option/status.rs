//! STATUS: what the peer thinks of how the options stand. RFC 859.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Command, Error, Limits, OptionCode, Verb, error::malformed, reader::Reader};

const IS: u8 = 0;
const SEND: u8 = 1;
const SB: u8 = 250;
const SE: u8 = Command::SE.0;

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// "How do the options stand?"
    Send,
    /// Everything that is on, as its sender sees it.
    Is(Vec<Item>),
}

/// One thing in a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// WILL: the sender does it. DO: the peer does, as the sender sees it.
    Stands {
        /// WILL or DO; some say WONT and DONT too.
        verb: Verb,
        /// About what.
        option: OptionCode,
    },
    /// What was agreed on by subnegotiation.
    Agreed {
        /// The option.
        option: OptionCode,
        /// The payload of that subnegotiation.
        payload: Bytes,
    },
}

impl Status {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another shape, [`Error::LimitExceeded`] for more than [`Limits::max_list_items`].
    pub fn decode(payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        match reader.u8() {
            Some(SEND) if reader.is_empty() => return Ok(Self::Send),
            Some(IS) => {}
            _ => return malformed("STATUS", "it is neither SEND nor IS"),
        }
        let mut items = Vec::new();
        while let Some(first) = reader.u8() {
            limits.list_items(items.len() + 1)?;
            let Some(option) = reader.u8().map(OptionCode) else {
                return malformed("STATUS", "it ends before an option's number");
            };
            items.push(match Verb::from_byte(first) {
                Some(verb) => Item::Stands { verb, option },
                None if first == SB => Item::Agreed { option, payload: agreed(&mut reader)? },
                None => return malformed("STATUS", "an item is neither a verb nor SB"),
            });
        }
        Ok(Self::Is(items))
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        let Self::Is(items) = self else { return out.put_u8(SEND) };
        out.put_u8(IS);
        for item in items {
            match item {
                Item::Stands { verb, option } => out.put_slice(&[verb.byte(), option.0]),
                Item::Agreed { option, payload } => {
                    out.put_slice(&[SB, option.0]);
                    for byte in payload {
                        out.put_u8(*byte);
                        if *byte == SE {
                            out.put_u8(SE);
                        }
                    }
                    out.put_u8(SE);
                }
            }
        }
    }
}

/// Up to a single SE; a doubled one is part of the payload.
fn agreed(reader: &mut Reader<'_>) -> Result<Bytes, Error> {
    let mut payload = BytesMut::new();
    loop {
        payload.put_slice(reader.until(|byte| byte == SE));
        if reader.u8().is_none() {
            return malformed("STATUS", "a subnegotiation in it has no end");
        }
        if reader.peek() != Some(SE) {
            return Ok(payload.freeze());
        }
        reader.u8();
        payload.put_u8(SE);
    }
}
