//! The bytes after IAC: an open number space.

use crate::Side;

/// Interpret As Command: the byte that starts every command, and that is doubled where it is data.
pub const IAC: u8 = 255;

/// A command without an option. Unknown values survive.
///
/// Spec: RFC 854, page 14; RFC 885 (EOR); RFC 1184 §2.5 (EOF, SUSP, ABORT).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command(pub u8);

macro_rules! commands {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal;)*) => {
        impl Command {
            $($(#[doc = $doc])* pub const $name: Self = Self($value);)*

            /// Every command with a name.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name, if it has one.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

commands! {
    /// End of file (LINEMODE).
    EOF = 236;
    /// Suspend the process (LINEMODE).
    SUSP = 237;
    /// Abort the process (LINEMODE).
    ABORT = 238;
    /// End of a record.
    EOR = 239;
    /// End of a subnegotiation.
    SE = 240;
    /// No operation.
    NOP = 241;
    /// Data mark: where a Synch ends.
    DM = 242;
    /// The break key.
    BRK = 243;
    /// Interrupt the process.
    IP = 244;
    /// Throw away the output.
    AO = 245;
    /// Are you there?
    AYT = 246;
    /// Erase the last character.
    EC = 247;
    /// Erase the line.
    EL = 248;
    /// Go ahead: the other side's turn.
    GA = 249;
}

impl Command {
    /// Whether it can stand alone: a signal, not part of the framing.
    pub fn is_signal(self) -> bool {
        self.name().is_some() && self != Self::SE
    }
}

impl core::fmt::Display for Command {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "COMMAND {}", self.0),
        }
    }
}

impl core::fmt::Debug for Command {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// What one side says about an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// "I will", or "I want to".
    Will,
    /// "I will not".
    Wont,
    /// "Please do", or "you may".
    Do,
    /// "Do not".
    Dont,
}

impl Verb {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Will, Self::Wont, Self::Do, Self::Dont];

    /// Its byte after IAC.
    pub fn byte(self) -> u8 {
        match self {
            Self::Will => 251,
            Self::Wont => 252,
            Self::Do => 253,
            Self::Dont => 254,
        }
    }

    /// The verb of a byte after IAC.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            251 => Some(Self::Will),
            252 => Some(Self::Wont),
            253 => Some(Self::Do),
            254 => Some(Self::Dont),
            _ => None,
        }
    }

    /// Who would perform the option, as whoever hears this sees it.
    pub(crate) fn performer(self) -> Side {
        match self {
            Self::Will | Self::Wont => Side::Remote,
            Self::Do | Self::Dont => Side::Local,
        }
    }

    /// WILL and DO.
    pub(crate) fn is_positive(self) -> bool {
        matches!(self, Self::Will | Self::Do)
    }
}

impl core::fmt::Display for Verb {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Will => "WILL",
            Self::Wont => "WONT",
            Self::Do => "DO",
            Self::Dont => "DONT",
        })
    }
}
