//! NEW-ENVIRON and the older ENVIRON: variables from the client. RFC 1572, RFC 1408, RFC 1571.
//!
//! A client of this crate tells what it was given, and never looks at its own environment. What a server is told is
//! hostile: a `USER` of `-f root` has logged people in as root (CVE-2026-24061), and the names of some variables are as
//! dangerous as their values (CVE-2026-28372). [`Environment::acceptable`] lets pass what a program may be given.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, Limits, error::malformed, reader::Reader};

const IS: u8 = 0;
const SEND: u8 = 1;
const INFO: u8 = 2;

const VAR: u8 = 0;
const VALUE: u8 = 1;
const ESC: u8 = 2;
const USERVAR: u8 = 3;

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Environment {
    /// "Tell me these": an empty list is everything.
    Send(Vec<Wanted>),
    /// The answer.
    Is(Vec<Variable>),
    /// Something has changed.
    Info(Vec<Variable>),
}

/// Whether RFC 1572 names the variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One of USER, JOB, ACCT, PRINTER, SYSTEMTYPE, DISPLAY.
    WellKnown,
    /// Any other.
    User,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Which kind.
    pub kind: Kind,
    /// Its name; empty is "all of that kind".
    pub name: Bytes,
}

/// A variable and its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variable {
    /// Which kind.
    pub kind: Kind,
    /// Its name.
    pub name: Bytes,
    /// Its value; `None` if there is no such variable.
    pub value: Option<Bytes>,
}

/// How the codes of VAR and VALUE are numbered: RFC 1408 and BSD's telnet disagree (RFC 1571).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Numbering {
    var: u8,
    value: u8,
}

const AS_WRITTEN: Numbering = Numbering { var: VAR, value: VALUE };
const SWAPPED: Numbering = Numbering { var: VALUE, value: VAR };

impl Environment {
    /// Reads a payload of NEW-ENVIRON.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another shape, [`Error::LimitExceeded`] for more than [`Limits::max_list_items`].
    pub fn decode(payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        decode(payload, AS_WRITTEN, limits)
    }

    /// Reads a payload of the older ENVIRON, whichever way its sender numbers VAR and VALUE: a list cannot begin with a
    /// value.
    ///
    /// # Errors
    ///
    /// As [`Environment::decode`].
    pub fn decode_old(payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        let numbering = if payload.get(1) == Some(&VALUE) { SWAPPED } else { AS_WRITTEN };
        decode(payload, numbering, limits)
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        let variables = match self {
            Self::Send(wanted) => {
                out.put_u8(SEND);
                wanted.iter().for_each(|wanted| name(wanted.kind, &wanted.name, out));
                return;
            }
            Self::Is(variables) => {
                out.put_u8(IS);
                variables
            }
            Self::Info(variables) => {
                out.put_u8(INFO);
                variables
            }
        };
        for variable in variables {
            name(variable.kind, &variable.name, out);
            if let Some(value) = &variable.value {
                out.put_u8(VALUE);
                escape(value, out);
            }
        }
    }

    /// The variables that are in `names` and that are harmless: printable, no control characters, and no value that
    /// begins with `-`, which a program could take for an option.
    pub fn acceptable<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let variables = match self {
            Self::Send(_) => &[],
            Self::Is(variables) | Self::Info(variables) => variables.as_slice(),
        };
        variables.iter().filter_map(move |variable| {
            let name = core::str::from_utf8(&variable.name).ok()?;
            let value = core::str::from_utf8(variable.value.as_ref()?).ok()?;
            let harmless = !value.starts_with('-') && !value.chars().any(char::is_control);
            (harmless && names.contains(&name)).then_some((name, value))
        })
    }
}

fn decode(payload: &[u8], numbering: Numbering, limits: &Limits) -> Result<Environment, Error> {
    let mut reader = Reader::new(payload);
    let command = reader.u8();
    let mut variables = Vec::new();
    while let Some(code) = reader.u8() {
        limits.list_items(variables.len() + 1)?;
        let kind = match code {
            USERVAR => Kind::User,
            code if code == numbering.var => Kind::WellKnown,
            _ => return malformed("ENVIRON", "a name does not begin with VAR or USERVAR"),
        };
        let name = unescape(&mut reader)?;
        let value = match reader.peek() {
            Some(code) if code == numbering.value => {
                reader.u8();
                Some(unescape(&mut reader)?)
            }
            _ => None,
        };
        variables.push(Variable { kind, name, value });
    }
    match command {
        Some(IS) => Ok(Environment::Is(variables)),
        Some(INFO) => Ok(Environment::Info(variables)),
        Some(SEND) if variables.iter().any(|variable| variable.value.is_some()) => {
            malformed("ENVIRON", "SEND with a value")
        }
        Some(SEND) => Ok(Environment::Send(
            variables.into_iter().map(|variable| Wanted { kind: variable.kind, name: variable.name }).collect(),
        )),
        Some(other) => Err(Error::Unsupported { what: "ENVIRON command", value: other.into() }),
        None => malformed("ENVIRON", "it is empty"),
    }
}

fn name(kind: Kind, name: &[u8], out: &mut BytesMut) {
    out.put_u8(match kind {
        Kind::WellKnown => VAR,
        Kind::User => USERVAR,
    });
    escape(name, out);
}

fn escape(text: &[u8], out: &mut BytesMut) {
    for byte in text {
        if matches!(*byte, VAR | VALUE | ESC | USERVAR) {
            out.put_u8(ESC);
        }
        out.put_u8(*byte);
    }
}

/// Up to the next code that is not escaped.
fn unescape(reader: &mut Reader<'_>) -> Result<Bytes, Error> {
    let mut text = BytesMut::new();
    loop {
        text.put_slice(reader.until(|byte| matches!(byte, VAR | VALUE | ESC | USERVAR)));
        if reader.peek() != Some(ESC) {
            return Ok(text.freeze());
        }
        reader.u8();
        match reader.u8() {
            Some(byte) => text.put_u8(byte),
            None => return malformed("ENVIRON", "it ends with ESC"),
        }
    }
}
