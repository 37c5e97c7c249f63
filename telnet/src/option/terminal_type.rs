//! TERMINAL-TYPE: which terminal it is, one name after the other. RFC 1091; MTTS as MUDs have it.

use alloc::{string::String, vec::Vec};

use bytes::{BufMut, BytesMut};

use super::ascii;
use crate::{Error, Limits, error::malformed};

pub(crate) const IS: u8 = 0;
const SEND: u8 = 1;

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalType {
    /// "The next name, please."
    Send,
    /// A name; the last one comes twice, then the first again.
    Is(String),
}

impl TerminalType {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another shape or a name that is not printable ASCII, [`Error::Unsupported`] for another
    /// command than IS and SEND.
    #[inline]
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        match payload {
            [SEND] => Ok(Self::Send),
            [SEND, ..] => malformed("TERMINAL-TYPE", "something follows SEND"),
            [IS, name @ ..] => Ok(Self::Is(ascii(name, "TERMINAL-TYPE")?)),
            [other, ..] => Err(Error::Unsupported { what: "TERMINAL-TYPE command", value: (*other).into() }),
            [] => malformed("TERMINAL-TYPE", "it is empty"),
        }
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Send => out.put_u8(SEND),
            Self::Is(name) => {
                out.put_u8(IS);
                out.put_slice(name.as_bytes());
            }
        }
    }
}

/// A client's names in the order in which they are told: each once, the last once more, then from the start.
#[derive(Clone, Debug)]
pub struct Cycle {
    names: Vec<String>,
    next: usize,
}

impl Cycle {
    /// Without a name it says `UNKNOWN`.
    pub fn new(names: Vec<String>) -> Self {
        Self { names, next: 0 }
    }

    /// From the first one again.
    pub fn restart(&mut self) {
        self.next = 0;
    }

    /// The answer to the next SEND.
    pub fn advance(&mut self) -> &str {
        let at = self.next;
        self.next = if at >= self.names.len() { 0 } else { at + 1 };
        self.names.get(at).or(self.names.last()).map_or("UNKNOWN", String::as_str)
    }
}

/// A server's list of what a client says, up to the name that comes twice.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    names: Vec<String>,
}

impl Collector {
    /// Notes a name; whether there may be another to ask for.
    pub fn add(&mut self, name: &str, limits: &Limits) -> bool {
        let repeats = self.names.iter().any(|known| known == name);
        if !repeats && self.names.len() < limits.max_terminal_types {
            self.names.push(name.into());
        }
        !repeats && self.names.len() < limits.max_terminal_types
    }

    /// The names so far, each once, the most specific one first.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What the client can do, if it is a MUD client that says so.
    pub fn capabilities(&self) -> Option<Mtts> {
        self.names.iter().find_map(|name| name.parse().ok())
    }
}

/// The MUD terminal type standard: the third name is `MTTS` and a number made of these bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mtts(pub u32);

impl Mtts {
    /// Colours by ANSI sequences.
    pub const ANSI: Self = Self(1);
    /// Control sequences of a VT100.
    pub const VT100: Self = Self(2);
    /// UTF-8.
    pub const UTF8: Self = Self(4);
    /// 256 colours.
    pub const COLOURS_256: Self = Self(8);
    /// Mouse tracking.
    pub const MOUSE: Self = Self(16);
    /// The palette can be changed.
    pub const PALETTE: Self = Self(32);
    /// A screen reader is used.
    pub const SCREEN_READER: Self = Self(64);
    /// A proxy is between.
    pub const PROXY: Self = Self(128);
    /// 24 bits of colour.
    pub const TRUECOLOUR: Self = Self(256);
    /// The newer form of the environment option.
    pub const MNES: Self = Self(512);
    /// Text and links of the MUD server link protocol.
    pub const MSLP: Self = Self(1024);
    /// The connection is encrypted.
    pub const SSL: Self = Self(2048);

    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::str::FromStr for Mtts {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = text.strip_prefix("MTTS ").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        match number.and_then(|number| number.parse().ok()) {
            Some(bits) => Ok(Self(bits)),
            None => malformed("MTTS", "it is not MTTS and a number"),
        }
    }
}

impl core::fmt::Display for Mtts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MTTS {}", self.0)
    }
}
