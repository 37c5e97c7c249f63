//! Optional facts that travel with HELLO, OPEN and ACCEPT.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, reader::Reader};

/// The name of a field: an open number space.
///
/// Spec: PROTOCOL.md §8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldKey(pub u8);

impl FieldKey {
    /// Text: the session or operation that the channel belongs to.
    pub const SESSION_ID: Self = Self(1);
    /// Text: a trace id, passed on unchanged.
    pub const TRACE: Self = Self(2);
    /// Text, in ACCEPT: the address that was really connected.
    pub const PEER_ADDRESS: Self = Self(3);
    /// Text: the person on whose behalf the channel is opened.
    pub const USER: Self = Self(4);
    /// Text, in HELLO: name and version of the implementation.
    pub const IMPLEMENTATION: Self = Self(5);
    /// In HELLO: [`Resumption`](crate::Resumption), which is apart from the other fields because it holds a secret.
    pub const RESUMPTION: Self = Self(6);
}

/// Key-value pairs in the order they were put in. A key stands once; unknown keys are kept and mean nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(FieldKey, Bytes)>);

impl Fields {
    /// No fields. Does not allocate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field. A value of more than 65,535 bytes is cut.
    pub fn insert(&mut self, key: FieldKey, value: impl Into<Bytes>) {
        let mut value = value.into();
        value.truncate(usize::from(u16::MAX));
        match self.0.iter_mut().find(|(other, _)| *other == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// The same with a field set: for building in one expression.
    #[must_use]
    pub fn with(mut self, key: FieldKey, value: impl Into<Bytes>) -> Self {
        self.insert(key, value);
        self
    }

    /// A field's bytes.
    pub fn get(&self, key: FieldKey) -> Option<&Bytes> {
        self.0.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: FieldKey) -> Option<Bytes> {
        let at = self.0.iter().position(|(other, _)| *other == key)?;
        Some(self.0.remove(at).1)
    }

    /// A field's text; `None` also if it is not UTF-8.
    pub fn text(&self, key: FieldKey) -> Option<&str> {
        self.get(key).and_then(|value| core::str::from_utf8(value).ok())
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (FieldKey, &Bytes)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// Bytes on the wire.
    pub fn wire_bytes(&self) -> usize {
        self.0.iter().map(|(_, value)| 3 + value.len()).sum()
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        for (key, value) in &self.0 {
            out.put_u8(key.0);
            out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
            out.put_slice(value);
        }
    }

    /// Reads all that is left as fields. The caller has bounded the length already.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut fields = Self::default();
        while !reader.is_empty() {
            let (Some(key), Some(length)) = (reader.u8(), reader.u16()) else { return Err(cut_short()) };
            let Some(value) = reader.take(usize::from(length)) else { return Err(cut_short()) };
            let key = FieldKey(key);
            if fields.get(key).is_some() {
                return Err(Error::Malformed { what: "field", reason: "a key stands twice" });
            }
            fields.0.push((key, Bytes::copy_from_slice(value)));
        }
        Ok(fields)
    }
}

fn cut_short() -> Error {
    Error::Malformed { what: "field", reason: "longer than its frame" }
}
