//! Just enough DER: definite lengths, the few types that keys are made of, both ways.
//!
//! Spec: ITU-T X.690 §8 and §10.

use zeroize::Zeroizing;

use crate::keys::{Error, error::corrupt};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;

/// The tag of `[number]` around another value.
pub(crate) const fn explicit(number: u8) -> u8 {
    0xa0 | number
}

/// The tag of `[number]` in place of a primitive's own.
pub(crate) const fn implicit(number: u8) -> u8 {
    0x80 | number
}

/// Values that are read from the front. `what` names them in errors.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what }
    }

    /// The tag that comes next.
    pub(crate) fn tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The contents of the value that comes next, which has this tag.
    pub(crate) fn value(&mut self, tag: u8) -> Result<&'a [u8], Error> {
        let wrong = || corrupt(self.what, "its DER is not what belongs there");
        let (head, rest) = self.rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let [found, length] = *head;
        if found != tag {
            return Err(wrong());
        }
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f)).ok_or_else(wrong)?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return Err(wrong()),
        };
        let (contents, rest) = rest.split_at_checked(length).ok_or_else(wrong)?;
        self.rest = rest;
        Ok(contents)
    }

    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Error> {
        if self.tag() == Some(tag) { self.value(tag).map(Some) } else { Ok(None) }
    }

    pub(crate) fn sequence(&mut self) -> Result<Self, Error> {
        self.value(SEQUENCE).map(|contents| Self::new(self.what, contents))
    }

    /// A number that is not negative, without leading zeros.
    pub(crate) fn number(&mut self) -> Result<&'a [u8], Error> {
        match self.value(INTEGER)? {
            [] => Err(corrupt(self.what, "an empty number")),
            [first, ..] if first & 0x80 != 0 => Err(corrupt(self.what, "a negative number")),
            [0, second, ..] if second & 0x80 == 0 => Err(corrupt(self.what, "a number with needless zeros")),
            [0, rest @ ..] => Ok(rest),
            bytes => Ok(bytes),
        }
    }

    /// A small number.
    pub(crate) fn small(&mut self) -> Result<u64, Error> {
        let bytes = self.number()?;
        match bytes.len() {
            0..=8 => Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
            _ => Ok(u64::MAX),
        }
    }

    /// The bytes of a bit string whose number of bits is a multiple of eight.
    pub(crate) fn bits(&mut self) -> Result<&'a [u8], Error> {
        whole_bytes(self.what, self.value(BIT_STRING)?)
    }

    /// An algorithm: its identifier and, whatever they are, its parameters.
    pub(crate) fn algorithm(&mut self) -> Result<(&'a [u8], Self), Error> {
        let mut sequence = self.sequence()?;
        let identifier = sequence.value(OBJECT_IDENTIFIER)?;
        Ok((identifier, sequence))
    }

    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(corrupt(self.what, "something follows that does not belong")) }
    }
}

pub(crate) fn whole_bytes<'a>(what: &'static str, bits: &'a [u8]) -> Result<&'a [u8], Error> {
    match bits {
        [0, bytes @ ..] => Ok(bytes),
        _ => Err(corrupt(what, "a bit string that is no bytes")),
    }
}

/// An object identifier as people write it.
pub(crate) fn dotted(identifier: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for byte in identifier.iter().take(64) {
        arc = arc.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.extend([first, arc.wrapping_sub(first.wrapping_mul(40))]);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// One value: tag, length, and `parts` one after the other as its contents.
pub(crate) fn encode(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length.saturating_add(10)));
    out.push(tag);
    let bytes = length.to_be_bytes();
    let significant = crate::keys::wire::without_leading_zeros(&bytes);
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => out.push(short),
        _ => {
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(significant);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A number that is not negative.
pub(crate) fn encode_number(number: &[u8]) -> Zeroizing<Vec<u8>> {
    let number = crate::keys::wire::without_leading_zeros(number);
    match number.first() {
        None => encode(INTEGER, &[&[0]]),
        Some(first) if first & 0x80 != 0 => encode(INTEGER, &[&[0], number]),
        Some(_) => encode(INTEGER, &[number]),
    }
}
