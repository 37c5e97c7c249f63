//! LINEMODE: the client edits lines and turns keys into signals. RFC 1184.
//!
//! A client that agrees to the option takes the server's MODE, answers SLC out of a [`Table`] of its own, and refuses the
//! forward mask.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, Limits, Verb, error::malformed};

const MODE: u8 = 1;
const FORWARDMASK: u8 = 2;
const SLC: u8 = 3;

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linemode {
    /// How lines are handled.
    Mode(Mode),
    /// Which characters make the client send what it has: 16 or 32 bytes of bits, with DO.
    ForwardMask {
        /// DO and DONT from the server, WILL and WONT from the client.
        verb: Verb,
        /// The bits; empty unless DO.
        mask: Bytes,
    },
    /// Keys for functions.
    SpecialCharacters(Vec<SpecialCharacter>),
}

/// Bits of a mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mode(pub u8);

impl Mode {
    /// The client edits lines.
    pub const EDIT: Self = Self(1);
    /// The client turns keys into IP, BRK and so on.
    pub const TRAP_SIGNALS: Self = Self(2);
    /// This is the answer.
    pub const ACK: Self = Self(4);
    /// The client expands tabs.
    pub const SOFT_TAB: Self = Self(8);
    /// The client echoes control characters as they are.
    pub const LITERAL_ECHO: Self = Self(16);

    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other`.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without the bits of `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// What a key does. Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function(pub u8);

impl Function {
    /// "All of them": asks for, or sets, the defaults.
    pub const ALL: Self = Self(0);
    /// Synch.
    pub const SYNCH: Self = Self(1);
    /// BRK.
    pub const BRK: Self = Self(2);
    /// IP.
    pub const IP: Self = Self(3);
    /// AO.
    pub const AO: Self = Self(4);
    /// AYT.
    pub const AYT: Self = Self(5);
    /// EOR.
    pub const EOR: Self = Self(6);
    /// ABORT.
    pub const ABORT: Self = Self(7);
    /// End of file.
    pub const EOF: Self = Self(8);
    /// SUSP.
    pub const SUSP: Self = Self(9);
    /// Erases a character.
    pub const EC: Self = Self(10);
    /// Erases the line.
    pub const EL: Self = Self(11);
    /// Erases a word.
    pub const EW: Self = Self(12);
    /// Writes the line anew.
    pub const RP: Self = Self(13);
    /// The next key is taken as it is.
    pub const LNEXT: Self = Self(14);
    /// Starts the output.
    pub const XON: Self = Self(15);
    /// Stops the output.
    pub const XOFF: Self = Self(16);
    /// Sends what there is.
    pub const FORW1: Self = Self(17);
    /// Sends what there is.
    pub const FORW2: Self = Self(18);
    /// The highest number that RFC 1184 has (cursor keys and editing are 19 to 30).
    pub const LAST: Self = Self(30);
}

/// How much one side supports of a function: the low two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Not at all.
    NoSupport,
    /// With this key, which cannot be changed.
    CannotChange,
    /// With this key.
    Value,
    /// With whatever key the sender has by default.
    Default,
}

/// A triplet: a function, how it is supported, and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpecialCharacter {
    /// The function.
    pub function: Function,
    /// Level and flags as they are on the wire.
    pub modifiers: u8,
    /// The key.
    pub key: u8,
}

impl SpecialCharacter {
    /// The triplet agrees with what the other side said.
    pub const ACK: u8 = 128;
    /// The key flushes the input.
    pub const FLUSH_IN: u8 = 64;
    /// The key flushes the output.
    pub const FLUSH_OUT: u8 = 32;

    /// A triplet without flags.
    pub const fn new(function: Function, level: Level, key: u8) -> Self {
        let modifiers = match level {
            Level::NoSupport => 0,
            Level::CannotChange => 1,
            Level::Value => 2,
            Level::Default => 3,
        };
        Self { function, modifiers, key }
    }

    /// How much is supported.
    pub fn level(&self) -> Level {
        match self.modifiers & 3 {
            0 => Level::NoSupport,
            1 => Level::CannotChange,
            2 => Level::Value,
            _ => Level::Default,
        }
    }

    /// Whether it only agrees.
    pub fn is_ack(&self) -> bool {
        self.modifiers & Self::ACK != 0
    }
}

/// The keys of a Unix terminal: Ctrl+C interrupts, and so on. A client that says it supports none of them takes them
/// from the daemon's terminal too, and then IP does nothing (inetutils telnetd).
pub const UNIX_KEYS: [SpecialCharacter; 12] = [
    SpecialCharacter::new(Function::IP, Level::Value, 0x03),
    SpecialCharacter::new(Function::AO, Level::Value, 0x0F),
    SpecialCharacter::new(Function::ABORT, Level::Value, 0x1C),
    SpecialCharacter::new(Function::EOF, Level::Value, 0x04),
    SpecialCharacter::new(Function::SUSP, Level::Value, 0x1A),
    SpecialCharacter::new(Function::EC, Level::Value, 0x7F),
    SpecialCharacter::new(Function::EL, Level::Value, 0x15),
    SpecialCharacter::new(Function::EW, Level::Value, 0x17),
    SpecialCharacter::new(Function::RP, Level::Value, 0x12),
    SpecialCharacter::new(Function::LNEXT, Level::Value, 0x16),
    SpecialCharacter::new(Function::XON, Level::Value, 0x11),
    SpecialCharacter::new(Function::XOFF, Level::Value, 0x13),
];

impl Linemode {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another shape, such as triplets of less than three bytes; [`Error::Unsupported`] for an unknown
    /// command; [`Error::LimitExceeded`] for more than [`Limits::max_list_items`] triplets.
    pub fn decode(payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        match payload {
            [MODE, mask] => Ok(Self::Mode(Mode(*mask))),
            [MODE, ..] => malformed("LINEMODE", "MODE is not one byte"),
            [SLC, triplets @ ..] => {
                let (triplets, rest) = triplets.as_chunks::<3>();
                limits.list_items(triplets.len())?;
                if !rest.is_empty() {
                    return malformed("LINEMODE", "SLC is not made of triplets");
                }
                let character = |&[function, modifiers, key]: &[u8; 3]| SpecialCharacter {
                    function: Function(function),
                    modifiers,
                    key,
                };
                Ok(Self::SpecialCharacters(triplets.iter().map(character).collect()))
            }
            [verb, FORWARDMASK, mask @ ..] => {
                let Some(verb) = Verb::from_byte(*verb) else {
                    return malformed("LINEMODE", "FORWARDMASK comes after something that is no verb");
                };
                match (verb, mask.len()) {
                    (Verb::Do, 0..=32) => {}
                    (_, 0) => {}
                    _ => return malformed("LINEMODE", "the forward mask is too long"),
                }
                Ok(Self::ForwardMask { verb, mask: Bytes::copy_from_slice(mask) })
            }
            [other, ..] => Err(Error::Unsupported { what: "LINEMODE command", value: (*other).into() }),
            [] => malformed("LINEMODE", "it is empty"),
        }
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Mode(mode) => out.put_slice(&[MODE, mode.0]),
            Self::ForwardMask { verb, mask } => {
                out.put_slice(&[verb.byte(), FORWARDMASK]);
                out.put_slice(mask);
            }
            Self::SpecialCharacters(characters) => {
                out.put_u8(SLC);
                for character in characters {
                    out.put_slice(&[character.function.0, character.modifiers, character.key]);
                }
            }
        }
    }
}

/// One side's keys. What it answers is bounded by the 30 functions, however many triplets come (CVE-2026-32746).
#[derive(Clone, Debug)]
pub struct Table {
    /// By the number of the function; the first is unused.
    current: [SpecialCharacter; 31],
    defaults: [SpecialCharacter; 31],
}

impl Table {
    /// A side that supports `defaults`, and nothing else. Of a default [`Level::Default`] is [`Level::Value`]: with nothing behind
    /// it to fall back to, two sides would ask one another for ever.
    pub fn new(defaults: &[SpecialCharacter]) -> Self {
        let mut table = [SpecialCharacter::new(Function::ALL, Level::NoSupport, 0); 31];
        for (number, entry) in (0u8..).zip(&mut table) {
            entry.function = Function(number);
        }
        for character in defaults {
            if let Some(entry) = table.get_mut(usize::from(character.function.0)) {
                *entry = *character;
                if entry.level() == Level::Default {
                    *entry = SpecialCharacter::new(character.function, Level::Value, character.key);
                }
            }
        }
        Self { current: table, defaults: table }
    }

    /// Everything this side supports, to tell the peer.
    pub fn supported(&self) -> Vec<SpecialCharacter> {
        self.current.iter().skip(1).filter(|entry| entry.level() != Level::NoSupport).copied().collect()
    }

    /// The key of a function.
    pub fn key(&self, function: Function) -> Option<u8> {
        let entry = self.current.get(usize::from(function.0))?;
        (entry.level() != Level::NoSupport).then_some(entry.key)
    }

    /// The function of a key.
    pub fn function(&self, key: u8) -> Option<Function> {
        let entry = self.current.iter().find(|entry| entry.level() != Level::NoSupport && entry.key == key)?;
        Some(entry.function)
    }

    /// Takes the peer's triplets and returns the answer; at most one triplet for each function, the last word counts.
    ///
    /// Spec: RFC 1184 §5.5.
    pub fn receive(&mut self, characters: &[SpecialCharacter]) -> Vec<SpecialCharacter> {
        let mut answers: [Option<SpecialCharacter>; 31] = [None; 31];
        for character in characters {
            if character.function == Function::ALL {
                match character.level() {
                    Level::Default => self.current = self.defaults,
                    Level::Value => {}
                    _ => continue,
                }
                for entry in self.supported() {
                    if let Some(answer) = answers.get_mut(usize::from(entry.function.0)) {
                        *answer = Some(entry);
                    }
                }
                continue;
            }
            let number = usize::from(character.function.0);
            let Some(answer) = answers.get_mut(number) else {
                // Beyond the RFC: nothing to be said, so that what can be said stays bounded.
                continue;
            };
            if let Some(said) = self.receive_one(number, *character) {
                *answer = Some(said);
            }
        }
        answers.into_iter().flatten().collect()
    }

    fn receive_one(&mut self, number: usize, theirs: SpecialCharacter) -> Option<SpecialCharacter> {
        let (ours, default) = (self.current.get_mut(number)?, self.defaults.get(number)?);
        let same_level = ours.level() == theirs.level();
        if same_level && (ours.key == theirs.key || theirs.level() == Level::NoSupport) {
            return None;
        }
        if theirs.is_ack() {
            if same_level || theirs.level() == Level::Value {
                ours.key = theirs.key;
            }
            return None;
        }
        match (theirs.level(), default.level()) {
            // They ask for our default.
            (Level::Default, _) => {
                *ours = *default;
                Some(*ours)
            }
            // What we do not support, or cannot change, stays as it is.
            (Level::NoSupport | Level::CannotChange | Level::Value, Level::NoSupport) => (theirs.level()
                != Level::NoSupport)
                .then(|| SpecialCharacter::new(theirs.function, Level::NoSupport, 0)),
            // Two keys that cannot be changed: neither holds, or it would be said for ever.
            (Level::CannotChange, Level::CannotChange) => {
                *ours = SpecialCharacter::new(theirs.function, Level::NoSupport, 0);
                Some(*ours)
            }
            (Level::Value, Level::CannotChange) => Some(*default),
            (level, _) => {
                *ours = SpecialCharacter::new(theirs.function, level, theirs.key);
                Some(SpecialCharacter { modifiers: theirs.modifiers | SpecialCharacter::ACK, ..theirs })
            }
        }
    }
}
