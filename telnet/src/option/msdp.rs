//! MSDP: variables of a MUD, with tables and arrays.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, Limits, error::malformed, reader::Reader};

const VAR: u8 = 1;
const VAL: u8 = 2;
const TABLE_OPEN: u8 = 3;
const TABLE_CLOSE: u8 = 4;
const ARRAY_OPEN: u8 = 5;
const ARRAY_CLOSE: u8 = 6;

/// A payload of the option: variables, each with a value; several VAL after a VAR are an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Msdp {
    /// The variables, in order.
    pub variables: Vec<(Bytes, Value)>,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, without the bytes 0 to 6.
    Text(Bytes),
    /// Variables by name.
    Table(Vec<(Bytes, Self)>),
    /// Values in order.
    Array(Vec<Self>),
}

impl Msdp {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another shape, [`Error::LimitExceeded`] for more than [`Limits::max_list_items`] in all or
    /// tables and arrays deeper than [`Limits::max_nesting`].
    pub fn decode(payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut decoder = Decoder { reader: Reader::new(payload), limits, items: 0 };
        let variables = decoder.variables(0)?;
        match decoder.reader.is_empty() {
            true => Ok(Self { variables }),
            false => malformed("MSDP", "a variable does not begin with VAR"),
        }
    }

    /// Appends the payload. Bytes of text that would be taken for structure are left out.
    pub fn encode(&self, out: &mut BytesMut) {
        variables(&self.variables, out);
    }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    limits: &'a Limits,
    items: usize,
}

impl Decoder<'_> {
    fn variables(&mut self, depth: usize) -> Result<Vec<(Bytes, Value)>, Error> {
        let mut variables = Vec::new();
        while self.reader.peek() == Some(VAR) {
            self.reader.u8();
            let name = self.text();
            let first = self.value(depth)?;
            let value = match self.reader.peek() {
                Some(VAL) => self.array_of(first, depth)?,
                _ => first,
            };
            variables.push((name, value));
        }
        Ok(variables)
    }

    /// The array that several VAL after one VAR are. It counts as what it is written back as: an item of its own, one
    /// deeper than its values.
    fn array_of(&mut self, first: Value, depth: usize) -> Result<Value, Error> {
        self.items += 1;
        self.limits.list_items(self.items)?;
        self.limits.nesting(depth + 1 + height(&first))?;
        let mut values = alloc::vec![first];
        while self.reader.peek() == Some(VAL) {
            values.push(self.value(depth + 1)?);
        }
        Ok(Value::Array(values))
    }

    /// VAL and what follows it.
    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        self.items += 1;
        self.limits.list_items(self.items)?;
        if self.reader.u8() != Some(VAL) {
            return malformed("MSDP", "a name without a value");
        }
        match self.reader.peek() {
            Some(TABLE_OPEN) => {
                self.limits.nesting(depth + 1)?;
                self.reader.u8();
                let variables = self.variables(depth + 1)?;
                match self.reader.u8() {
                    Some(TABLE_CLOSE) => Ok(Value::Table(variables)),
                    _ => malformed("MSDP", "a table is not closed"),
                }
            }
            Some(ARRAY_OPEN) => {
                self.limits.nesting(depth + 1)?;
                self.reader.u8();
                let mut values = Vec::new();
                while self.reader.peek() == Some(VAL) {
                    values.push(self.value(depth + 1)?);
                }
                match self.reader.u8() {
                    Some(ARRAY_CLOSE) => Ok(Value::Array(values)),
                    _ => malformed("MSDP", "an array is not closed"),
                }
            }
            _ => Ok(Value::Text(self.text())),
        }
    }

    fn text(&mut self) -> Bytes {
        Bytes::copy_from_slice(self.reader.until(|byte| matches!(byte, VAR..=ARRAY_CLOSE)))
    }
}

/// How many tables and arrays are in one another. Bounded: the value has been read within [`Limits::max_nesting`].
fn height(value: &Value) -> usize {
    match value {
        Value::Text(_) => 0,
        Value::Table(table) => 1 + table.iter().map(|(_, value)| height(value)).max().unwrap_or(0),
        Value::Array(values) => 1 + values.iter().map(height).max().unwrap_or(0),
    }
}

fn variables(variables: &[(Bytes, Value)], out: &mut BytesMut) {
    for (name, value) in variables {
        out.put_u8(VAR);
        text(name, out);
        out.put_u8(VAL);
        encode(value, out);
    }
}

fn encode(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Text(value) => text(value, out),
        Value::Table(table) => {
            out.put_u8(TABLE_OPEN);
            variables(table, out);
            out.put_u8(TABLE_CLOSE);
        }
        Value::Array(values) => {
            out.put_u8(ARRAY_OPEN);
            for value in values {
                out.put_u8(VAL);
                encode(value, out);
            }
            out.put_u8(ARRAY_CLOSE);
        }
    }
}

fn text(text: &[u8], out: &mut BytesMut) {
    text.iter().filter(|byte| !matches!(**byte, VAR..=ARRAY_CLOSE)).for_each(|byte| out.put_u8(*byte));
}
