//! Options: their numbers, and what their subnegotiations say, as values.
//!
//! Each module has one option's payloads with `decode` and `encode`; [`Subnegotiation`] joins them. A payload here is
//! what stands between the option's number and IAC SE, 0xFF not doubled.

pub mod authentication;
pub mod charset;
pub mod com_port;
pub mod encryption;
pub mod flow_control;
pub mod gmcp;
pub mod linemode;
pub mod msdp;
pub mod mssp;
pub mod naws;
pub mod new_environ;
pub mod start_tls;
pub mod status;
mod subnegotiation;
pub mod terminal_speed;
pub mod terminal_type;
pub mod x_display;

use alloc::{string::String, vec::Vec};

pub use self::subnegotiation::Subnegotiation;
use crate::{Error, error::malformed};

/// The number of an option. Unknown values survive.
///
/// Spec: the IANA registry "Telnet Options"; the MUD options are not in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OptionCode(pub u8);

macro_rules! options {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal;)*) => {
        impl OptionCode {
            $($(#[doc = $doc])* pub const $name: Self = Self($value);)*

            /// Every option with a name.
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

options! {
    /// Eight bits, no newline rules: RFC 856.
    BINARY = 0;
    /// The side that performs it echoes what it receives: RFC 857.
    ECHO = 1;
    /// No go-ahead: RFC 858.
    SGA = 3;
    /// How the options stand: RFC 859.
    STATUS = 5;
    /// "I have worked through everything up to here": RFC 860.
    TIMING_MARK = 6;
    /// The type of the terminal: RFC 1091.
    TERMINAL_TYPE = 24;
    /// Ends of records: RFC 885.
    END_OF_RECORD = 25;
    /// The size of the window: RFC 1073.
    NAWS = 31;
    /// The speed of the terminal: RFC 1079.
    TERMINAL_SPEED = 32;
    /// Flow control by XON and XOFF: RFC 1372.
    TOGGLE_FLOW_CONTROL = 33;
    /// Lines are edited by the client: RFC 1184.
    LINEMODE = 34;
    /// The X display: RFC 1096.
    X_DISPLAY_LOCATION = 35;
    /// Environment variables, the old way: RFC 1408.
    OLD_ENVIRON = 36;
    /// Who the user is: RFC 2941.
    AUTHENTICATION = 37;
    /// RFC 2946.
    ENCRYPTION = 38;
    /// Environment variables: RFC 1572.
    NEW_ENVIRON = 39;
    /// The character set: RFC 2066.
    CHARSET = 42;
    /// A serial port behind the connection: RFC 2217.
    COM_PORT = 44;
    /// TLS from here on: draft-altman-telnet-starttls.
    START_TLS = 46;
    /// The MUD server data protocol.
    MSDP = 69;
    /// The MUD server status protocol.
    MSSP = 70;
    /// Compression, the old way.
    MCCP1 = 85;
    /// Compression of what the server sends.
    MCCP2 = 86;
    /// Compression of what the client sends.
    MCCP3 = 87;
    /// The generic MUD communication protocol.
    GMCP = 201;
    /// More options: RFC 861.
    EXTENDED = 255;
}

impl core::fmt::Display for OptionCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "OPTION {}", self.0),
        }
    }
}

impl core::fmt::Debug for OptionCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// Some of the 256 options.
///
/// ```
/// use towline_telnet::{OptionCode, OptionSet};
///
/// let set = OptionSet::from([OptionCode::ECHO, OptionCode::SGA]);
/// assert!(set.contains(OptionCode::SGA));
/// assert_eq!(set.iter().count(), 2);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionSet([u64; 4]);

impl OptionSet {
    /// None.
    pub const fn new() -> Self {
        Self([0; 4])
    }

    /// Adds one.
    pub fn insert(&mut self, option: OptionCode) {
        if let Some(word) = self.0.get_mut(usize::from(option.0 / 64)) {
            *word |= 1 << (option.0 % 64);
        }
    }

    /// Takes one away.
    pub fn remove(&mut self, option: OptionCode) {
        if let Some(word) = self.0.get_mut(usize::from(option.0 / 64)) {
            *word &= !(1 << (option.0 % 64));
        }
    }

    /// Whether `option` is one of them.
    pub fn contains(&self, option: OptionCode) -> bool {
        self.0.get(usize::from(option.0 / 64)).is_some_and(|word| word >> (option.0 % 64) & 1 == 1)
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = OptionCode> + '_ {
        (0..=u8::MAX).map(OptionCode).filter(|option| self.contains(*option))
    }
}

impl<const N: usize> From<[OptionCode; N]> for OptionSet {
    fn from(options: [OptionCode; N]) -> Self {
        options.into_iter().collect()
    }
}

impl FromIterator<OptionCode> for OptionSet {
    fn from_iter<I: IntoIterator<Item = OptionCode>>(options: I) -> Self {
        let mut set = Self::new();
        options.into_iter().for_each(|option| set.insert(option));
        set
    }
}

impl core::fmt::Debug for OptionSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Text of printable ASCII, as names and types are.
fn ascii(bytes: &[u8], what: &'static str) -> Result<String, Error> {
    match core::str::from_utf8(bytes) {
        Ok(text) if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) => Ok(text.into()),
        _ => malformed(what, "it is not printable ASCII"),
    }
}

/// Text in UTF-8.
fn utf8(bytes: &[u8], what: &'static str) -> Result<String, Error> {
    String::from_utf8(Vec::from(bytes)).or_else(|_| malformed(what, "it is not UTF-8"))
}
