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
            let mut values = Vec::new();
            while self.reader.peek() == Some(VAL) {
                values.push(self.value(depth)?);
            }
            let value = match values.is_empty() {
                true => first,
                false => {
                    values.insert(0, first);
                    Value::Array(values)
                }
            };
            variables.push((name, value));
        }
        Ok(variables)
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
