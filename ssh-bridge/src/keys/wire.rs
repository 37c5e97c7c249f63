//! SSH's own encoding: strings, big numbers, and the big numbers of its ancestors.
//!
//! Spec: RFC 4251 §5.

use zeroize::Zeroizing;

use crate::keys::{Error, error::corrupt};

/// Bytes that are read from the front. `what` names them in errors.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn what(&self) -> &'static str {
        self.what
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let short = || corrupt(self.what, "it ends too early");
        let (head, rest) = self.rest.split_at_checked(length).ok_or_else(short)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(corrupt(self.what, "it ends too early"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn string(&mut self) -> Result<&'a [u8], Error> {
        let length = self.u32()?;
        self.take(size(length))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.string()?).map_err(|_| corrupt(self.what, "a name that is no text"))
    }

    /// A number that is not negative, without leading zeros.
    pub(crate) fn mpint(&mut self) -> Result<&'a [u8], Error> {
        let bytes = self.string()?;
        match bytes {
            [first, ..] if first & 0x80 != 0 => Err(corrupt(self.what, "a negative number")),
            [0, second, ..] if second & 0x80 == 0 => Err(corrupt(self.what, "a number with needless zeros")),
            [0] => Err(corrupt(self.what, "a number with needless zeros")),
            [0, rest @ ..] => Ok(rest),
            _ => Ok(bytes),
        }
    }

    /// A number after its length in bits, as ssh.com has it.
    pub(crate) fn number_u32_bits(&mut self) -> Result<&'a [u8], Error> {
        let bits = self.u32()?;
        self.take(size(bits.div_ceil(8))).map(without_leading_zeros)
    }

    /// A number after its length in bits, as SSH version 1 has it.
    pub(crate) fn number_u16_bits(&mut self) -> Result<&'a [u8], Error> {
        let bits = self.array().map(u16::from_be_bytes)?;
        self.take(usize::from(bits.div_ceil(8))).map(without_leading_zeros)
    }

    /// That nothing is left.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(corrupt(self.what, "something follows that does not belong")) }
    }
}

/// Bytes that are written, overwritten when dropped: much of what is written here is secret.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// INVARIANT: what is secret is written within the `capacity`, or growing would leave a copy behind.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn string(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(length(bytes)).raw(bytes)
    }

    pub(crate) fn mpint(&mut self, number: &[u8]) -> &mut Self {
        let number = without_leading_zeros(number);
        if number.first().is_some_and(|first| first & 0x80 != 0) {
            return self.u32(length(number).saturating_add(1)).u8(0).raw(number);
        }
        self.string(number)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

pub(crate) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// `number` with as many zeros in front as make it `length` bytes; `None` if it is longer.
pub(crate) fn padded(number: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let number = without_leading_zeros(number);
    let mut padded = Zeroizing::new(vec![0; length.checked_sub(number.len())?]);
    padded.reserve_exact(number.len());
    padded.extend_from_slice(number);
    Some(padded)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

pub(crate) fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
